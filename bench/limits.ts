// npm run limits -- [waiting hot-lane observation restore] [--waiting 100000] [--live 50000] [--hot 2000]:
// behaviour at the limits, on the embedded log in this process; restore on Kafka too, where KAFKA_BROKERS is
// set.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { defineTool } from '../runtime/config/define.ts'
import { readEnvironment } from '../runtime/config/environment.ts'
import { LaneState } from '../runtime/host/lane/state.ts'
import { homeOf } from '../runtime/log/home.ts'
import { openLog } from '../runtime/log/open.ts'
import type { BlobStore } from '../runtime/store/port.ts'
import { python } from '../runtime/scripted-model/script.ts'
import { TestMember } from '../test/conformance/member.ts'
import { startTestFleet, type TestFleet } from '../test/support/fleet.ts'
import { percentile } from './measure.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    waiting: { type: 'string', default: '100000' },
    live: { type: 'string', default: '50000' },
    hot: { type: 'string', default: '2000' },
  },
})
const limits = {
  budgets: { fleetTokens: null, userTokens: null, modelTokens: null },
  rates: { userRequests: null, userTokens: null },
}
const LANES = 4
const DAY_MS = 86_400_000

const noBlobs: BlobStore = {
  put: () => Promise.reject(new Error('no row here is that large')),
  get: () => Promise.resolve(null),
} as unknown as BlobStore

const parts: Readonly<Record<string, () => Promise<void>>> = {
  waiting: () => waiting(Number(values.waiting)),
  'hot-lane': () => hotLane(Number(values.hot)),
  observation,
  restore: () => restore(Number(values.live)),
}

async function atOnce(count: number, width: number, run: (index: number) => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  let next = 0
  const worker = async () => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: width }, worker))
  return (performance.now() - startedMs) / 1_000
}

const rssMb = () => process.memoryUsage().rss / 2 ** 20

/** Tasks pile up behind a model that does not answer; the process is restarted on the waiting tasks. */
async function waiting(count: number): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-limits-'))
  const options = { dataDir, definition: { limits }, env: { FLOTILLA_DRAIN_MS: '0' } }
  const stuck = await startTestFleet({ ...options, model: { latencyMs: 600_000 } })
  const before = rssMb()
  const seconds = await atOnce(count, 256, async (index) => {
    await stuck.client.submit({ taskId: `w${index}`, text: `task=w${index} hi`, timeoutMs: DAY_MS })
  })
  const grown = rssMb() - before
  await stuck.stop()
  const startedMs = performance.now()
  const again = await startTestFleet(options)
  while (!(await again.process.readiness()).ready) await new Promise((resume) => setTimeout(resume, 20))
  const readyMs = performance.now() - startedMs
  const first = await again.client.result('w0', { timeoutMs: 60_000 })
  console.log(
    `waiting: ${count} tasks accepted in ${seconds.toFixed(0)} s (${(count / seconds).toFixed(0)}/s), RSS +${grown.toFixed(0)} MB; ` +
      `started again on them: ready after ${readyMs.toFixed(0)} ms, the oldest ${first.status}`,
  )
  await again.stop()
  rmSync(dataDir, { recursive: true, force: true })
}

/** Every task at home on one lane, against tasks that spread; and a task elsewhere meanwhile. */
async function hotLane(count: number): Promise<void> {
  await using fleet = await startTestFleet({ definition: { limits } })
  const idsOf = (name: string, wanted: (lane: number) => boolean): string[] => {
    const found: string[] = []
    for (let n = 0; found.length < count; n++)
      if (wanted(homeOf(`${name}${n}`, LANES))) found.push(`${name}${n}`)
    return found
  }
  await runAll(fleet, idsOf('warm', () => true).slice(0, 200))
  const spread = await runAll(
    fleet,
    idsOf('spread', () => true),
  )
  const elsewhere = idsOf('else', (lane) => lane === 1)
  const others: number[] = []
  let done = false
  const beside = (async () => {
    for (const id of elsewhere) {
      if (done) return
      const startedMs = performance.now()
      await runAll(fleet, [id])
      others.push(performance.now() - startedMs)
    }
  })()
  const hot = await runAll(
    fleet,
    idsOf('hot', (lane) => lane === 0),
  )
  done = true
  await beside
  console.log(
    `hot lane: ${count} tasks at 64 in flight, ${spread.toFixed(0)} tasks/s over ${LANES} lanes, ${hot.toFixed(0)} tasks/s on one; ` +
      `a task on another lane meanwhile p50 ${percentile(others, 0.5).toFixed(0)} ms, p99 ${percentile(others, 0.99).toFixed(0)} ms`,
  )
}

async function runAll({ client }: TestFleet, ids: readonly string[]): Promise<number> {
  const seconds = await atOnce(ids.length, 64, async (index) => {
    const taskId = ids[index] as string
    await client.submit({ taskId, text: `task=${taskId} hi` })
    await client.result(taskId, { timeoutMs: 120_000 })
  })
  return ids.length / seconds
}

/** A tool that returns 1 MB, to the model in tools mode and to Python in code mode. */
async function observation(): Promise<void> {
  const megabyte = 'x'.repeat(1_000_000)
  const large = defineTool({
    name: 'large',
    description: 'Returns a megabyte.',
    input: z.object({}),
    output: z.string(),
    maxOutputBytes: 2_000_000,
    run: () => megabyte,
  })
  const model = {
    script: ({ turn, mode }: { turn: number; mode: string }) => {
      if (mode === 'code') return { text: python('final_answer(len(large()))') }
      return turn === 0 ? { toolCalls: [{ name: 'large', arguments: {} }] } : { text: 'done' }
    },
  }
  await using fleet = await startTestFleet({ definition: { limits, tools: [large] }, model })
  for (const mode of ['tools', 'code'] as const) {
    const times: number[] = []
    for (let index = 0; index < 10; index++) {
      const { taskId } = await fleet.client.submit({ text: 'a megabyte, please', mode })
      const { status, executionTime, output } = await fleet.client.result(taskId, { timeoutMs: 60_000 })
      if (status !== 'succeeded') throw new Error(`${status}: ${JSON.stringify(output)}`)
      times.push(executionTime)
    }
    console.log(`observation of 1 MB, ${mode} mode: a task p50 ${percentile(times, 0.5).toFixed(0)} ms`)
  }
}

/** The rows of live tasks, as large as a planner's, read into memory: the cost of opening a lane. */
async function restore(live: number): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-limits-'))
  const raw = { ...process.env, FLOTILLA_DATA: dataDir, FLOTILLA_PARTITIONS: String(LANES) }
  const log = await openLog(readEnvironment({ ...raw, FLOTILLA_PREFIX: `limits${process.pid}` }))
  await log.ensureTopics(['planner'])
  const member = new TestMember(log, 'planner', ['tasks.admitted'])
  await member.holds(LANES)
  const perLane = Math.ceil(live / LANES)
  const state = new LaneState(1)
  const row = (task: number, name: string, chars: number) => ({
    key: `task-${task}`,
    name,
    value: 'x'.repeat(chars),
  })
  for (const lane of member.lanes.values())
    for (let from = 0; from < perLane; from += 500) {
      const tasks = Array.from({ length: Math.min(500, perLane - from) }, (_, index) => from + index)
      const changes = tasks.flatMap((task) => [
        row(task, 'task', 700),
        row(task, 'run', 300),
        row(task, 'said:0', 500),
      ])
      const rows = await state.encode(changes, noBlobs, 400_000)
      await lane.commit({ records: [], rows, positions: [] })
    }
  const startedMs = performance.now()
  const opened = await Promise.all([...member.lanes.keys()].map((lane) => member.open(lane)))
  let rows = 0
  for (const lane of opened) {
    if (!lane) throw new Error('a lane could not be opened')
    const state = new LaneState(1)
    await state.restore(lane.rows, noBlobs)
    rows += [...state.rows()].length
  }
  const seconds = (performance.now() - startedMs) / 1_000
  console.log(
    `restore on ${log.kind}: ${live} live tasks, ${rows} rows of ${LANES} lanes in ${seconds.toFixed(1)} s, ${(rows / seconds).toFixed(0)} rows/s`,
  )
  await member.leave()
  await log.close()
  rmSync(dataDir, { recursive: true, force: true })
}

for (const name of positionals.length > 0 ? positionals : Object.keys(parts)) await parts[name]?.()
process.exit(0)
