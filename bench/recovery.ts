// npm run bench:recovery [-- embedded kafka] [--tasks 80] [--latency 6000] [--rounds 1]: kill -9 of the only worker.
//
// All tasks are in the same model call when the worker is killed, half of the model's latency after the last one began.
// It is started again at once, from the bundle, as a user starts it. Killed in the first call of two, a task needs two
// more; in the second, one: the table says how long after the kill the first call was made again, when all of them were,
// and when the last task was done; and how much of that was not the model's time. A call that was answered
// before the kill must not be made again. On Kafka the gateway is a process of its own, which goes on.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { HttpClient } from '../client/index.ts'
import { startScriptedModel } from '../runtime/scripted-model/server.ts'
import { stageNames } from '../services/index.ts'
import { startKafka } from '../test/infra/kafka.ts'
import { freePort } from '../test/infra/port.ts'
import { startPostgres } from '../test/infra/postgres.ts'
import { startRedis } from '../test/infra/redis.ts'
import { startServices, type ServiceProcess } from '../test/support/service-process.ts'
import { bundledCommand } from '../test/support/bundled.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tasks: { type: 'string', default: '80' },
    latency: { type: 'string', default: '6000' },
    rounds: { type: 'string', default: '1' },
  },
})
const wanted = positionals.length > 0 ? positionals : ['embedded', 'kafka']
const [tasks, latencyMs, rounds] = [values.tasks, values.latency, values.rounds].map(Number) as [
  number,
  number,
  number,
]
const main = bundledCommand()
const config = new URL('./recovery.config.ts', import.meta.url).pathname
const CALLS = 2
const LIMIT_MS = 120_000

interface Servers {
  readonly environment: Readonly<Record<string, string>>
  stop(): Promise<void>
}

async function startServers(): Promise<Servers> {
  const [broker, redis, postgres] = await Promise.all([
    startKafka({ forLoad: true }),
    startRedis(),
    startPostgres(),
  ])
  return {
    environment: { KAFKA_BROKERS: broker.bootstrap, REDIS_URL: redis.url, DATABASE_URL: postgres.url },
    stop: async () => void (await Promise.all([broker.stop(), redis.stop(), postgres.stop()])),
  }
}

/** The worker, and on Kafka the gateway beside it. `env` and `port` are the same for each start. */
async function startFleet(servers: Servers | null, env: Record<string, string>) {
  const port = await freePort()
  const startWorker = () => startServices(servers ? stageNames : [], { main, port, env })
  const gateway = servers ? await startServices(['gateway'], { main, env }) : null
  const first = await startWorker()
  await Promise.all([first.ready(LIMIT_MS), gateway?.ready(LIMIT_MS)])
  return { first, startWorker, gateway }
}

async function until(met: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + LIMIT_MS
  while (!met()) {
    if (performance.now() > endMs) throw new Error(`${what} did not happen within ${LIMIT_MS} ms`)
    await pause(10)
  }
}

interface Outcome {
  readonly done: number
  readonly inFlight: number
  readonly readyMs: number
  readonly firstMs: number
  readonly againMs: number
  readonly lastMs: number
  readonly repeated: number
  readonly cut: number
}

/** Kills the worker while every task is in its model call number `call`, and waits for the results. */
async function measure(servers: Servers | null, call: number): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-recovery-'))
  const model = await startScriptedModel({ latencyMs })
  const env = {
    ...servers?.environment,
    FLOTILLA_PREFIX: `recovery${Date.now()}`,
    FLOTILLA_DATA: directory,
    FLOTILLA_CONFIG: config,
    FLOTILLA_SCRIPTED_URL: model.url,
  }
  const running: ServiceProcess[] = []
  try {
    const { first, startWorker, gateway } = await startFleet(servers, env)
    running.push(first, ...(gateway ? [gateway] : []))
    const client = new HttpClient((gateway ?? first).url)
    const ids = Array.from({ length: tasks }, (_, index) => `recovery${index}`)
    const submitted = await Promise.all(ids.map((id) => client.submit({ text: `task=${id} hi` })))
    await until(() => model.stats().received === tasks * call, `model call ${call} of all ${tasks} tasks`)
    await pause(latencyMs / 2)
    const answeredBefore = model.stats().answered
    const killedMs = performance.now()
    await first.kill9()
    const received = model.stats().received
    const sinceKill = (): number => performance.now() - killedMs
    const second = await startWorker()
    running.push(second)
    const isReady = second.ready(LIMIT_MS).then(sinceKill)
    await until(() => model.stats().received > received, 'a call again')
    const firstMs = sinceKill()
    await until(() => model.stats().received >= received + tasks, 'all calls again')
    const againMs = sinceKill()
    const readyMs = await isReady
    const results = submitted.map(({ taskId }) => client.result(taskId, { timeoutMs: LIMIT_MS }))
    const done = (await Promise.all(results)).filter(({ status }) => status === 'succeeded').length
    const lastMs = sinceKill()
    await client.close()
    const { repeated, aborted } = model.stats()
    return {
      done,
      inFlight: tasks * call - answeredBefore,
      readyMs,
      firstMs,
      againMs,
      lastMs,
      repeated,
      cut: aborted,
    }
  } finally {
    await Promise.all(running.map((each) => each.kill9()))
    await model.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

function print(log: string, call: number, outcome: Outcome): void {
  const { done, inFlight, readyMs, firstMs, againMs, lastMs, repeated, cut } = outcome
  const seconds = (ms: number): string => (ms / 1_000).toFixed(2)
  const modelMs = (CALLS - call + 1) * latencyMs
  const times = [firstMs, againMs, readyMs, lastMs, lastMs - modelMs].map(seconds)
  const cells = [inFlight, cut, done, repeated, ...times]
  console.log(`| ${log}, in call ${call} of ${CALLS} | ${cells.join(' | ')} |`)
}

console.log(`${tasks} tasks, model ${latencyMs} ms; seconds after the kill\n`)
console.log(
  '| killed | calls in flight | cut | tasks done | calls repeated | first call again | all again | ready | all done | beyond the model |',
)
console.log('|---|---|---|---|---|---|---|---|---|---|')
for (const log of wanted) {
  const servers = log === 'kafka' ? await startServers() : null
  try {
    for (let round = 0; round < rounds; round++)
      for (const call of [1, 2]) print(log, call, await measure(servers, call))
  } finally {
    await servers?.stop()
  }
}
process.exit(0)
