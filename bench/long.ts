// npm run bench:long [-- --steps 1000] [--log embedded|kafka|both] [--at-tokens 8000] [--only compacted]
// [--peer COMMAND]: what step n of a long task costs.
//
// One task whose every step is one tool call of 1 KB, model latency 0, real HTTP to a model server in a process of its
// own; without compaction and with it. `--peer` runs another program in the same run: it reads MODEL_URL and STEPS, runs
// the same task, and prints { "figures": [{ step, atMs, cpuMs, bytes }, …] } as its last line.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { startKafka } from '../test/infra/kafka.ts'
import { startRedis } from '../test/infra/redis.ts'
import type { StepFigures } from './long-fleet.ts'

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '1000' },
    log: { type: 'string', default: 'embedded' },
    'at-tokens': { type: 'string', default: '8000' },
    only: { type: 'string' },
    peer: { type: 'string' },
  },
})
const logs = values.log === 'both' ? ['embedded', 'kafka'] : [values.log]

interface Run {
  readonly name: string
  readonly figures: readonly StepFigures[]
}

type Env = Record<string, string>

function start(command: string, args: readonly string[], env: Env, shell = false) {
  const inherited = { PATH: process.env['PATH'], HOME: process.env['HOME'] }
  return spawn(command, args, { env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'inherit'], shell })
}

const node = (file: string, env: Env) =>
  start(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', new URL(file, import.meta.url).pathname],
    env,
  )

async function figuresOf(name: string, child: ReturnType<typeof start>): Promise<Run> {
  let last = ''
  createInterface({ input: child.stdout }).on('line', (line) => (last = line))
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error(`${name} ended with ${code}`)
  return { name, figures: (JSON.parse(last) as { figures: StepFigures[] }).figures }
}

/** Rows of the table; each is the mean of the steps since the row before. */
const ROWS = 10

function print({ name, figures }: Run): void {
  const size = Math.max(1, Math.floor(figures.length / ROWS))
  console.log(`\n${name}\n`)
  console.log('| steps | ms a step | CPU ms a step | bytes written a step | rows of state | state KB |')
  console.log('|---|---|---|---|---|---|')
  for (let end = size; end < figures.length; end += size) {
    const [first, last] = [figures[end - size], figures[end]]
    if (!first || !last) break
    const each = (field: 'atMs' | 'cpuMs' | 'bytes') => (last[field] - first[field]) / size
    const cells = [
      `${first.step} to ${last.step}`,
      each('atMs').toFixed(1),
      each('cpuMs').toFixed(1),
      each('bytes').toFixed(0),
      last.rows ?? '–',
      last.stateBytes === undefined ? '–' : (last.stateBytes / 1_000).toFixed(0),
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}

const model = node('./long-model.ts', {})
const [line] = (await once(createInterface({ input: model.stdout }), 'line')) as [string]
const env: Env = { MODEL_URL: (JSON.parse(line) as { url: string }).url, STEPS: values.steps }

async function startServers() {
  const [broker, redis] = await Promise.all([startKafka({ forLoad: true }), startRedis()])
  const stop = async () => void (await Promise.all([broker.stop(), redis.stop()]))
  return { environment: { KAFKA_BROKERS: broker.bootstrap, REDIS_URL: redis.url }, stop }
}
const servers = logs.includes('kafka') ? await startServers() : null

try {
  for (const log of logs) {
    const ofLog = log === 'kafka' ? (servers?.environment ?? {}) : {}
    for (const [how, atTokens] of [
      ['without compaction', '0'],
      [`compacted at ${values['at-tokens']} tokens`, values['at-tokens']],
    ] as const)
      if (values.only !== 'compacted' || atTokens !== '0')
        print(
          await figuresOf(
            `${log} log, ${how}`,
            node('./long-fleet.ts', { ...env, ...ofLog, AT_TOKENS: atTokens }),
          ),
        )
  }
  if (values.peer !== undefined)
    print(await figuresOf(`peer: ${values.peer}`, start(values.peer, [], env, true)))
} finally {
  model.kill()
  await servers?.stop()
}
