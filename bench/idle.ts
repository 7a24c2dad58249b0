// npm run bench:idle [-- embedded kafka] [--seconds 60]: a fleet without tasks. The embedded one is one process; on
// Kafka each service is its own, from the bundle, as a user starts it. Processor time a second, in milliseconds, and memory,
// once all are ready: RSS counts what processes share in each of them, PSS divides it among them.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { serviceNames } from '../services/index.ts'
import { startKafka } from '../test/infra/kafka.ts'
import { freePort } from '../test/infra/port.ts'
import { startRedis } from '../test/infra/redis.ts'
import { boundToUs } from '../test/infra/server.ts'
import { bundledCommand } from '../test/support/bundled.ts'
import { processorMs } from './measure.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' } },
})
const seconds = Number(values.seconds)
const wanted = positionals.length > 0 ? positionals : ['embedded', 'kafka']
/** A fleet settles: groups rebalance, first timers fire, each process gives back what its start has taken. */
const SETTLE_MS = 45_000
const READY_WITHIN_MS = 300_000

interface Started {
  readonly name: string
  readonly pid: number
  readonly url: string
  stop(): Promise<void>
}

const bin = bundledCommand()

async function start(
  names: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Started> {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-idle-'))
  const port = await freePort()
  const [command, ...args] = boundToUs([process.execPath, bin, 'start', ...names])
  const child = spawn(command, args, {
    cwd: directory,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      LOG_LEVEL: 'error',
      FLOTILLA_MODEL: 'scripted',
      FLOTILLA_DATA: directory,
      FLOTILLA_ALLOW_VOLATILE_STORE: '1',
      PORT: String(port),
      ...environment,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const stop = async () => {
    const ended = once(child, 'exit')
    if (child.exitCode === null) {
      child.kill('SIGTERM')
      await ended
    }
    rmSync(directory, { recursive: true, force: true })
  }
  return { name: names[0] ?? 'whole fleet', pid: child.pid as number, url: `http://127.0.0.1:${port}`, stop }
}

async function ready({ name, url }: Started): Promise<void> {
  const untilMs = Date.now() + READY_WITHIN_MS
  for (;;) {
    const answer = await fetch(`${url}/ready`).catch(() => null)
    if (answer?.ok) return
    const says = (await answer?.text()) ?? 'nothing'
    if (Date.now() > untilMs)
      throw new Error(`${name} is not ready after ${READY_WITHIN_MS} ms; it says ${says}`)
    await pause(250)
  }
}

/** Resident memory, and its proportional share: what several processes map together is divided among them. */
function memoryMb(pid: number): { rss: number; pss: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mb = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 1_024
  return { rss: mb('Rss'), pss: mb('Pss') }
}

async function report(
  title: string,
  fleet: readonly Started[],
  servers: readonly { name: string; pid: number }[],
) {
  await Promise.all(fleet.map(ready))
  await pause(SETTLE_MS)
  const processes = [...fleet, ...servers]
  const before = processes.map(({ pid }) => processorMs([String(pid)]))
  await pause(seconds * 1_000)
  console.log(
    `\n${title}, ${seconds} s without a task\n\n| | CPU ms a second | RSS MB | PSS MB |\n|---|---|---|---|`,
  )
  const rows = processes.map(({ name, pid }, index) => ({
    name,
    cpu: (processorMs([String(pid)]) - (before[index] ?? 0)) / seconds,
    ...memoryMb(pid),
  }))
  const own = rows.slice(0, fleet.length)
  const sum = (field: 'cpu' | 'rss' | 'pss') => own.reduce((total, row) => total + row[field], 0)
  const all = { name: 'all services', cpu: sum('cpu'), rss: sum('rss'), pss: sum('pss') }
  for (const { name, cpu, rss, pss } of own.length > 1 ? [...rows, all] : rows)
    console.log(`| ${name} | ${cpu.toFixed(1)} | ${rss.toFixed(0)} | ${pss.toFixed(0)} |`)
}

async function embedded(): Promise<void> {
  const fleet = await start([], {})
  try {
    await report('the embedded fleet', [fleet], [])
  } finally {
    await fleet.stop()
  }
}

async function onKafka(): Promise<void> {
  const [kafka, redis] = await Promise.all([startKafka({ forLoad: true }), startRedis()])
  const environment = { KAFKA_BROKERS: kafka.bootstrap, REDIS_URL: redis.url }
  const fleet: Started[] = []
  try {
    for (const name of serviceNames) fleet.push(await start([name], environment))
    await report('each service its own process, on Kafka', fleet, [
      { name: 'broker', pid: kafka.pid },
      { name: 'Redis', pid: redis.pid },
    ])
  } finally {
    await Promise.all(fleet.map(({ stop }) => stop()))
    await Promise.all([kafka.stop(), redis.stop()])
  }
}

if (wanted.includes('embedded')) await embedded()
if (wanted.includes('kafka')) await onKafka()
