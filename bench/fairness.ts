// node bench/fairness.ts [--tasks 50000] [--latency 50]: how long another user's single task takes while one
// user's thousands are queued. The whole fleet on the embedded log in this process; the scripted model, in
// the same process too, answers after `latency` ms. Three situations: an idle fleet; while the thousands
// wait; right after the thousands were written.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadServices, stageNames } from '../services/index.ts'
import { LogClient } from '../client/log/client.ts'
import { toSubmission } from '../client/submission.ts'
import { readEnvironment } from '../runtime/config/environment.ts'
import { completeFleet } from '../runtime/config/load.ts'
import { startProcess } from '../runtime/host/process.ts'
import { homeOf } from '../runtime/log/home.ts'
import { openTelemetry } from '../runtime/telemetry/open.ts'
import { startScriptedModel } from '../runtime/scripted-model/server.ts'
import { percentile } from './measure.ts'

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '50000' },
    latency: { type: 'string', default: '50' },
    singles: { type: 'string', default: '20' },
  },
})
const [tasks, latencyMs, singles] = [values.tasks, values.latency, values.singles].map(Number) as [
  number,
  number,
  number,
]
const HOUR_MS = 3_600_000

const model = await startScriptedModel({
  latencyMs,
  script: () => ({ text: 'done', toolCalls: [] }),
})
const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-bench-'))
const environment = readEnvironment({
  PATH: process.env['PATH'],
  FLOTILLA_DATA: dataDir,
  FLOTILLA_SCRIPTED_URL: model.url,
  LOG_LEVEL: 'error',
})
// Only the queue limits a task here.
const limits = {
  budgets: { fleetTokens: null, userTokens: null, modelTokens: null },
  rates: { userRequests: null, userTokens: null },
}
const fleet = completeFleet({ agents: { default: { mode: 'tools' } }, limits }, environment, 'bench')
const running = await startProcess({
  name: 'bench',
  services: await loadServices(stageNames),
  environment,
  fleet,
  telemetry: openTelemetry(environment, 'bench', { records: false, fleet }),
  http: false,
})
const { log, codec } = running
const client = new LogClient({ log, codec, blobs: running.stores.blobs })

async function single(id: string): Promise<number> {
  const startedMs = performance.now()
  const { taskId } = await client.submit({ text: id, taskId: id, userId: 'late', timeoutMs: HOUR_MS })
  const { status } = await client.result(taskId, { timeoutMs: HOUR_MS })
  if (status !== 'succeeded') throw new Error(`${id}: ${status}`)
  return performance.now() - startedMs
}

async function severalSingles(name: string): Promise<number[]> {
  const took: number[] = []
  for (let n = 0; n < singles; n++) took.push(await single(`${name}-${n}`))
  return took
}

/** Writes tasks as any producer would, in batches. */
async function burst(prefix: string): Promise<void> {
  for (let from = 0; from < tasks; from += 1_000) {
    const records = Array.from({ length: Math.min(1_000, tasks - from) }, (_, index) => {
      const taskId = `${prefix}-${from + index}`
      const data = toSubmission({ text: taskId, userId: 'heavy', timeoutMs: HOUR_MS }, taskId)
      const value = codec.encode('TaskSubmitted', data, 'tasks.submitted')
      return {
        topic: 'tasks.submitted' as const,
        partition: homeOf(taskId, log.partitions),
        key: taskId,
        value,
        headers: {},
      }
    })
    await log.publish(records)
  }
}

const completed = async () =>
  (await log.ranges(['tasks.completed'])).reduce((sum, { next, earliest }) => sum + next - earliest, 0)

/** Waits until router has read all tasks: they then wait in its lanes, not in the log. */
async function untilIngested(): Promise<void> {
  const read = async () => {
    const [ranges, positions] = await Promise.all([log.ranges(['tasks.submitted']), log.positions('router')])
    const reached = (partition: number) =>
      positions.find((each) => each.topic === 'tasks.submitted' && each.partition === partition)?.offset ?? 0
    return ranges.every(({ partition, next }) => reached(partition) >= next)
  }
  while (!(await read())) await new Promise((resume) => setTimeout(resume, 100))
}

const idle = await severalSingles('idle')
const startedMs = performance.now()
await burst('heavy')
const writtenMs = performance.now() - startedMs
const behind = await single('behind')
await untilIngested()
const doneBefore = await completed()
const waiting = await severalSingles('waiting')
const secondsOfWaiting = waiting.reduce((sum, ms) => sum + ms, 0) / 1_000
const doneAfter = await completed()

const left = tasks - (doneAfter - singles * 2 - 1)
console.log(
  `${tasks} tasks of one user, written in ${(writtenMs / 1_000).toFixed(1)} s; model latency ${latencyMs} ms, ` +
    `${log.partitions} lanes, window ${fleet.limits.queue.inFlight} a lane, ${fleet.limits.concurrency} calls at once; ` +
    `${((doneAfter - doneBefore) / secondsOfWaiting).toFixed(0)} tasks/s; ${left} still waiting at the end\n`,
)
console.log('| another user’s single task | p50, ms | most, ms |')
console.log('|---|---|---|')
for (const [name, took] of [
  ['with nothing else to do', idle],
  ['while the others wait', waiting],
  ['written right behind them', [behind]],
] as const)
  console.log(`| ${name} | ${percentile(took, 0.5).toFixed(0)} | ${Math.max(...took).toFixed(0)} |`)

process.exitCode = left > 0 ? 0 : 1
if (left <= 0) console.error('the queue was empty before the measurement ended: give more --tasks')
// Tasks that still wait are discarded with the directory.
setTimeout(() => process.exit(), 5_000).unref()
await client.close()
await running.stop()
await model.stop()
rmSync(dataDir, { recursive: true, force: true })
process.exit()
