// Figures of the embedded log on this machine: `node bench/embedded-log.ts [seconds] [dir]`. Prints one line
// of JSON for each durability: the floor (node:sqlite alone), records in batches, one-record transactions one
// after the other, lane commits (one output, one row, one position) of 64 lanes at once, and the hop publish
// → deliver → commit.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'
import { openEmbeddedLog } from '../runtime/log/embedded/log.ts'
import type { Log, OpenLane, OutgoingRecord } from '../runtime/log/port.ts'
import type { Durability } from '../runtime/store/data-file/data-file.ts'

const LANES = 64
const secondsEach = Number(process.argv[2] ?? 2)
const parent = process.argv[3] ?? tmpdir()

/** A record of a usual size. */
const record = (partition: number): OutgoingRecord => ({
  topic: 'tasks.submitted',
  partition,
  key: '0193c6f4-6f0e-7d2a-b7f5-2f0f8c1f9a11',
  value: new Uint8Array(300),
  headers: { 'flotilla-event-id': '0193c6f46f0e7d2ab7f52f0f8c1f9a11', 'flotilla-schema': 'TaskSubmitted' },
})

interface Rate {
  perSecond: number
  /** Processor time of each, which a busy machine disturbs less. */
  cpuMicros: number
}

/** Runs `once`, which does `times` things, for the time of one figure. */
async function rate(times: number, once: () => unknown): Promise<Rate> {
  const start = performance.now()
  const cpu = process.cpuUsage()
  let count = 0
  while (performance.now() - start < 1_000 * secondsEach) {
    await once()
    count += times
  }
  const { user, system } = process.cpuUsage(cpu)
  return {
    perSecond: Math.round((1_000 * count) / (performance.now() - start)),
    cpuMicros: Number(((user + system) / count).toFixed(1)),
  }
}

/** The floor: the same record by node:sqlite alone, one transaction each. */
function rawTransactions(dataDir: string, durability: Durability): Promise<Rate> {
  const db = new DatabaseSync(join(dataDir, 'raw.db'))
  const synchronous = durability === 'power-loss' ? 'FULL' : 'NORMAL'
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; CREATE TABLE t (value BLOB)`)
  const insert = db.prepare('INSERT INTO t VALUES (?)')
  const value = new Uint8Array(400)
  return rate(1, () => insert.run(value)).finally(() => db.close())
}

async function openLanes(log: Log, onRecords: (lane: OpenLane, count: number) => void): Promise<OpenLane[]> {
  const lanes: OpenLane[] = []
  const done = Promise.withResolvers<OpenLane[]>()
  const open = async (number: number): Promise<void> => {
    const lane = await (await joining).open(number)
    lane.start((records) => onRecords(lane, records.length))
    if (lanes.push(lane) === LANES) done.resolve(lanes)
  }
  const joining = log.join(
    { group: 'bench', topics: ['tasks.submitted'], instance: 'bench' },
    {
      onAssigned: (lane) => void open(lane),
      onRevoked: () => undefined,
      onError: (error) => done.reject(error),
    },
  )
  return done.promise
}

const commitOf = (lane: OpenLane, offset: number) => ({
  records: [{ ...record(lane.lane), topic: 'tasks.admitted' as const }],
  rows: [{ key: 'task', value: new Uint8Array(200) }],
  positions: [{ topic: 'tasks.submitted' as const, offset, metadata: '' }],
})

/** Publishes one record, waits until its lane has committed its output; in ms, sorted. */
async function measureHops(
  log: Log,
  lanes: readonly OpenLane[],
  arrived: { wake: () => void },
): Promise<number[]> {
  const [lane] = lanes
  if (!lane) throw new Error('no lane was opened')
  const times: number[] = []
  await rate(1, async () => {
    const start = performance.now()
    const delivered = new Promise<void>((resolve) => (arrived.wake = resolve))
    const [[position]] = await Promise.all([log.publish([record(lane.lane)]), delivered])
    await lane.commit(commitOf(lane, (position?.offset ?? 0) + 1))
    times.push(performance.now() - start)
  })
  return times.sort((a, b) => a - b)
}

async function measure(durability: Durability): Promise<Record<string, unknown>> {
  const dataDir = mkdtempSync(join(parent, 'flotilla-bench-'))
  const log = openEmbeddedLog({ dataDir, partitions: LANES, durability })
  await log.ensureTopics(['bench'])
  const arrived = { wake: (): void => undefined }
  const lanes = await openLanes(log, () => arrived.wake())
  const hops = await measureHops(log, lanes, arrived)
  for (const lane of lanes) lane.pause(['tasks.submitted'])
  const batch = Array.from({ length: 500 }, (_, i) => record(i % LANES))
  const figures = {
    durability,
    rawTransactions: await rawTransactions(dataDir, durability),
    recordsInBatches: await rate(500, () => log.publish(batch)),
    oneRecordTransactions: await rate(1, () => log.publish([record(0)])),
    commitsOf64Lanes: await rate(LANES, () =>
      Promise.all(lanes.map((lane) => lane.commit(commitOf(lane, 1)))),
    ),
    hopMs: { p50: at(hops, 0.5), p99: at(hops, 0.99), hops: hops.length },
  }
  await log.close()
  rmSync(dataDir, { recursive: true })
  return figures
}

const at = (sorted: readonly number[], share: number): number =>
  Number(sorted[Math.floor(sorted.length * share)]?.toFixed(3))

for (const durability of ['power-loss', 'process-crash'] as const) {
  console.log(JSON.stringify(await measure(durability)))
}
