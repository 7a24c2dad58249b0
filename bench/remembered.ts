// npm run remembered -- [embedded|kafka] [--ids 300000] [--lanes 1] [--earlier]: the cost for router of
// opening lanes that remember so many answered ids (36 characters each), in this process: heap per id, time,
// the longest block of the event loop. --earlier: rows as router's version 3 wrote them.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { systemClock } from '../runtime/clock.ts'
import { createCodec } from '../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../runtime/codec/embedded-registry.ts'
import { readEnvironment } from '../runtime/config/environment.ts'
import { CallMaker } from '../runtime/host/calls/calls.ts'
import { openJournal } from '../runtime/host/calls/journal.ts'
import { defaultHostOptions } from '../runtime/host/context.ts'
import { Semaphore } from '../runtime/host/calls/semaphore.ts'
import { StageHost } from '../runtime/host/stage-host.ts'
import { LaneState, type RowChange } from '../runtime/host/lane/state.ts'
import { openLog } from '../runtime/log/open.ts'
import type { Log } from '../runtime/log/port.ts'
import type { Stage } from '../runtime/stage.ts'
import { memoryBlobs, memoryKeyValue } from '../runtime/testing/memory/store.ts'
import { quietInstruments } from '../runtime/telemetry/instruments.ts'
import { Answered } from '../services/router/answered.ts'
import { REMEMBER_MS } from '../services/router/constants.ts'
import { createRouterStage } from '../services/router/stage.ts'
import { TestMember } from '../test/conformance/member.ts'
import { startKafka } from '../test/infra/kafka.ts'
import { fleetOf } from '../test/unit/router/fleet.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ids: { type: 'string', default: '300000' },
    lanes: { type: 'string', default: '1' },
    earlier: { type: 'boolean', default: false },
  },
})
const ids = Number(values.ids)
const lanes = Number(values.lanes)
const IN_A_COMMIT = 2_000

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const blobs = memoryBlobs()
const router = createRouterStage(fleetOf()) as unknown as Stage

/** Rows of one id that was answered at this time. */
function rowsOf(id: string, atMs: number): { changes: RowChange[]; lane: Record<string, unknown> } {
  if (!values.earlier) return { changes: [], lane: new Answered().keep(id, atMs).lane }
  const traceparent = `00-${'0af7651916cd43dd8448eb211c80319c'}-b7ad6b7169203331-01`
  const timer = { dueMs: atMs + REMEMBER_MS, causeId: randomUUID().replaceAll('-', ''), traceparent }
  const task = { answer: 'admitted', atMs }
  const changes = [
    { key: id, name: 'task', value: task },
    { key: id, name: '$timer:forget', value: timer },
  ]
  return { changes, lane: {} }
}

async function write(log: Log): Promise<void> {
  await log.ensureTopics(['router'])
  const member = new TestMember(log, 'router', ['tasks.control'])
  await member.holds(lanes)
  const state = new LaneState(values.earlier ? 3 : router.version)
  const now = Date.now()
  for (const lane of member.lanes.values())
    for (let from = 0; from < ids / lanes; from += IN_A_COMMIT) {
      const many = Array.from({ length: Math.min(IN_A_COMMIT, Math.ceil(ids / lanes) - from) }, (_, index) =>
        rowsOf(randomUUID(), Math.round(now - REMEMBER_MS * (1 - (from + index) / (ids / lanes)))),
      )
      const ofLane = Object.assign({}, ...many.map(({ lane: rows }) => rows)) as Record<string, unknown>
      const changes = many.flatMap((each) => each.changes)
      const rows = await state.encode(changes, blobs, 400_000, ofLane)
      await lane.commit({ records: [], rows, positions: [] })
    }
  await member.leave()
}

async function routerOn(log: Log): Promise<StageHost> {
  const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'remembered' })
  await codec.prepare()
  const clock = systemClock
  const shared = { clock, instruments: quietInstruments }
  const journal = openJournal(memoryKeyValue({ clock }), clock, { leaseMs: 0, keepMs: 1_000, forgottenMs: 0 })
  const breakers = { run: <T>(_: string, work: () => Promise<T>) => work() }
  const calls = new CallMaker({ ...shared, journal, breakers, capacity: new Semaphore(8), callers: {} })
  const parts = { ...shared, journal, calls, codec, blobs, log, stage: router, instance: 'remembered' }
  return new StageHost({ ...parts, options: { ...defaultHostOptions, drainMs: 0 } })
}

/** Longest tick until `stop`, by the clock and by this thread's processor time: other threads run too. */
function watchTurns(): { stop: () => { ms: number; cpuMs: number } } {
  const longest = { ms: 0, cpuMs: 0 }
  const cpuMs = () => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1_000
  }
  let at = performance.now()
  let cpuAt = cpuMs()
  let watching = true
  const turn = (): void => {
    const [now, cpuNow] = [performance.now(), cpuMs()]
    longest.ms = Math.max(longest.ms, now - at)
    longest.cpuMs = Math.max(longest.cpuMs, cpuNow - cpuAt)
    at = now
    cpuAt = cpuNow
    if (watching) setImmediate(turn)
  }
  setImmediate(turn)
  return {
    stop: () => {
      watching = false
      return longest
    },
  }
}

function memory(): number {
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-remembered-'))
const kafka = positionals[0] === 'kafka' ? await startKafka({ forLoad: true }) : null
const environment = readEnvironment({
  ...process.env,
  FLOTILLA_DATA: dataDir,
  FLOTILLA_PARTITIONS: String(lanes),
  KAFKA_BROKERS: kafka?.bootstrap ?? '',
})
const log = await openLog(environment)
try {
  await write(log)
  const before = memory()
  const host = await routerOn(log)
  const turns = watchTurns()
  let peakBytes = 0
  const watch = setInterval(() => (peakBytes = Math.max(peakBytes, process.memoryUsage().heapUsed)), 20)
  const startedMs = performance.now()
  const cpu = process.cpuUsage()
  await host.start()
  while (host.status().open < lanes) await new Promise((resume) => setTimeout(resume, 5))
  const seconds = (performance.now() - startedMs) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const cpuSeconds = (user + system) / 1e6
  const longest = turns.stop()
  clearInterval(watch)
  const each = (memory() - before) / ids
  console.log(
    `${log.kind}, ${ids} ids${values.earlier ? ' of version 3' : ''} in ${lanes} lanes: open after ${seconds.toFixed(1)} s ` +
      `(CPU ${cpuSeconds.toFixed(1)} s, ${((cpuSeconds / ids) * 1e6).toFixed(1)} s per million), ${each.toFixed(0)} bytes an id, ` +
      `heap meanwhile ${(peakBytes / 2 ** 20).toFixed(0)} MB, longest block ${longest.ms.toFixed(0)} ms (CPU ${longest.cpuMs.toFixed(0)} ms)`,
  )
  await host.drain()
} finally {
  await log.close()
  await kafka?.stop()
  rmSync(dataDir, { recursive: true, force: true })
}
