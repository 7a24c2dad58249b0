// npm run bench [-- embedded kafka] [--rounds 3] [--partitions 12] [--peers DIR [--peer NAME …]]: the cost of a task.
//
// A task is two model turns and one tool call, model latency 0, real HTTP to the scripted model, which runs
// in its own process. Everything runs in turn, in the same run, and the floor first, so that ratios mean something on
// a noisy machine; the table shows medians of the rounds. One round on Kafka, before the first, is not measured: a broker
// compiles its code in its first minute of work, on half a core. --peers names a folder of other frameworks (bench/peers.ts).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import memory from '../cli/memory.json' with { type: 'json' }
import { startKafka } from '../test/infra/kafka.ts'
import { startRedis } from '../test/infra/redis.ts'
import type { HopFigures } from './hop.ts'
import { percentile, type Figures } from './measure.ts'
import { checkPeers, measurePeer, usualPeers } from './peers.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    partitions: { type: 'string' },
    peers: { type: 'string' },
    peer: { type: 'string', multiple: true },
  },
})
const known = ['floor', 'embedded', 'kafka']
const unknown = positionals.filter((name) => !known.includes(name))
if (unknown.length > 0)
  throw new Error(`no contestant named ${unknown.join(', ')}; there are: ${known.join(', ')}`)
/** The floor always: without it no figure can be compared with another hour's. */
const wanted = positionals.length > 0 ? [...new Set(['floor', ...positionals])] : known
const peers = values.peers === undefined ? [] : (values.peer ?? usualPeers)
if (values.peers !== undefined) await checkPeers(values.peers, peers)
const rounds = Number(values.rounds)
const lanes: Record<string, string> =
  values.partitions === undefined ? {} : { FLOTILLA_PARTITIONS: values.partitions }

/** A fleet has the settings that `flotilla start` gives itself. */
const settingsOf = (file: string): { flags: string[]; environment: Record<string, string> } =>
  file === './fleet.ts' ? memory : { flags: [], environment: {} }

function start(file: string, env: Record<string, string>) {
  const path = new URL(file, import.meta.url).pathname
  const { flags, environment } = settingsOf(file)
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...flags, path], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function lastLine<T>(file: string, env: Record<string, string>): Promise<T> {
  const child = start(file, env)
  let last = ''
  createInterface({ input: child.stdout }).on('line', (line) => (last = line))
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error(`${file} ended with ${code}`)
  return JSON.parse(last) as T
}

const model = start('../runtime/scripted-model/main.ts', {})
const [line] = (await once(createInterface({ input: model.stdout }), 'line')) as [string]
const MODEL_URL = (JSON.parse(line) as { url: string }).url
/** With the broker's full compiler: the tests' quick start would be measured instead. */
async function startServers() {
  const [broker, redis] = await Promise.all([startKafka({ forLoad: true }), startRedis()])
  const stop = async () => void (await Promise.all([broker.stop(), redis.stop()]))
  return {
    environment: {
      KAFKA_BROKERS: broker.bootstrap,
      REDIS_URL: redis.url,
      BROKER_PIDS: `${broker.pid},${redis.pid}`,
    },
    stop,
  }
}
const servers = wanted.includes('kafka') ? await startServers() : null
const kafka: Record<string, string> = servers?.environment ?? {}

const found = new Map<string, Figures[]>()
try {
  if (servers) await lastLine<Figures>('./fleet.ts', envOf('kafka'))
  for (let round = 0; round < rounds; round++) {
    for (const contestant of wanted) {
      const file = contestant === 'floor' ? './floor.ts' : './fleet.ts'
      add(contestant, await lastLine<Figures>(file, envOf(contestant)))
    }
    // Over the whole list in each round, as everything here.
    for (const name of peers) add(name, await measurePeer(values.peers ?? '', name))
  }
  print()
  if (servers) {
    const { hops, recordsPerSecond } = await lastLine<HopFigures>('./hop.ts', kafka)
    console.log('\nkafkajs alone, on the same broker:')
    for (const { name, p50Ms, p99Ms } of hops)
      console.log(`- ${name}: p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`)
    console.log(
      `- transactional batches on one partition: ${recordsPerSecond.toFixed(0)} records of 100 bytes a second`,
    )
  }
} finally {
  model.kill()
  await servers?.stop()
}

function envOf(contestant: string): Record<string, string> {
  return { MODEL_URL, ...lanes, ...(contestant === 'kafka' ? kafka : {}) }
}

function add(contestant: string, figures: Figures): void {
  found.set(contestant, [...(found.get(contestant) ?? []), figures])
}

function print(): void {
  const median = (runs: readonly Figures[], field: Exclude<keyof Figures, 'name' | 'tasks'>) =>
    percentile(
      runs.map((run) => run[field] ?? 0),
      0.5,
    )
  const floor = found.get('floor')
  const warmed = servers ? ', after one that warmed the broker and is not measured' : ''
  console.log(`medians of ${rounds} rounds${warmed}\n`)
  console.log(
    '| | p50 at 1, ms | p99 | tasks/s at 64 | CPU ms/task | of broker and Redis | RSS MB | throughput : floor |',
  )
  console.log('|---|---|---|---|---|---|---|---|')
  for (const [, runs] of found) {
    const ratio = floor ? (median(runs, 'perSecond') / median(floor, 'perSecond')).toFixed(2) : '–'
    const cells = [
      median(runs, 'p50Ms').toFixed(1),
      median(runs, 'p99Ms').toFixed(1),
      median(runs, 'perSecond').toFixed(0),
    ]
    const serversMs = median(runs, 'serversCpuMs')
    cells.push(
      median(runs, 'cpuMs').toFixed(2),
      serversMs > 0 ? serversMs.toFixed(2) : '–',
      String(median(runs, 'rssMb')),
      ratio,
    )
    console.log(`| ${runs[0]?.name} | ${cells.join(' | ')} |`)
  }
}
