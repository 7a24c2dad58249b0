// A real stage host over the memory log, in virtual time.
import { createCodec } from '../../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../../../runtime/codec/embedded-registry.ts'
import type { Decoded } from '../../../../runtime/codec/port.ts'
import { CallMaker } from '../../../../runtime/host/calls/calls.ts'
import { openJournal } from '../../../../runtime/host/calls/journal.ts'
import { defaultHostOptions, type HostOptions } from '../../../../runtime/host/context.ts'
import { Semaphore } from '../../../../runtime/host/calls/semaphore.ts'
import { StageHost } from '../../../../runtime/host/stage-host.ts'
import { createMemoryBroker } from '../../../../runtime/testing/memory/log/log.ts'
import {
  CommitRefused,
  type LaneCommit,
  type Log,
  type LogTopic,
  type OpenLane,
  type OutgoingRecord,
} from '../../../../runtime/log/port.ts'
import type { Caller, EventMap, EventType, Stage } from '../../../../runtime/stage.ts'
import { memoryBlobs, memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import type { BlobStore } from '../../../../runtime/store/port.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'

export const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'test' })
await codec.prepare()

export interface WorldOptions {
  readonly stage: Stage
  readonly blobs?: BlobStore
  readonly callers?: Readonly<Record<string, Caller>>
  readonly options?: Partial<HostOptions>
  readonly partitions?: number
  /** The log refuses a commit for this part of it. */
  readonly refuses?: (commit: LaneCommit) => CommitRefused['part'] | null
}

export type World = Awaited<ReturnType<typeof startWorld>>

export async function startWorld(options: WorldOptions) {
  const clock = new VirtualClock(1_750_000_000_000)
  const broker = createMemoryBroker({ partitions: options.partitions ?? 1, clock })
  const blobs = options.blobs ?? memoryBlobs()
  const commits: LaneCommit[] = []
  const paused = new Set<LogTopic>()
  const log = judged(broker.connect(), paused, (commit) => {
    commits.push(commit)
    return options.refuses?.(commit) ?? null
  })
  const counted: string[] = []
  const instruments = { ...quietInstruments, count: (name: string) => void counted.push(name) }
  const journal = openJournal(memoryKeyValue({ clock }), clock, {
    leaseMs: 0,
    keepMs: 86_400_000,
    forgottenMs: 0,
  })
  const breakers = { run: <T>(_: string, work: () => Promise<T>) => work() }
  const shared = { journal, clock, instruments }
  const calls = new CallMaker({
    ...shared,
    breakers,
    capacity: new Semaphore(1_000),
    callers: options.callers ?? {},
  })
  const host = new StageHost({
    ...shared,
    calls,
    codec,
    blobs,
    log,
    stage: options.stage,
    options: { ...defaultHostOptions, ...options.options },
    instance: 'a',
  })
  const within = (ms: number) => clock.run(clock.now() + ms, () => false)
  const started = host.start()
  await within(10)
  await started
  const outside = broker.connect()
  return {
    clock,
    blobs,
    host,
    commits,
    counted,
    paused: () => [...paused],
    within,
    /** What everything that was published leads to. */
    publish: async (...records: OutgoingRecord[]) => {
      void outside.publish(records)
      await within(5_000)
    },
    read: async (topic: LogTopic, partition = 0): Promise<Decoded[]> => {
      const records = await outside.read(topic, partition, 0, 10_000)
      return Promise.all(records.map(async ({ value }) => codec.decode(value as Uint8Array, topic)))
    },
    position: (topic: LogTopic, lane = 0) => broker.position(options.stage.name, topic, lane)?.offset ?? 0,
    end: (topic: LogTopic, partition = 0) => broker.end(topic, partition),
    rows: (lane = 0) => [...host.rows(lane)],
  }
}

/** Letters of the world, oldest first. */
export async function letters(world: World): Promise<EventMap['DeadLettered'][]> {
  const found = await world.read('dead-letters')
  return found.map(({ data }) => data as EventMap['DeadLettered'])
}

export function record<T extends EventType>(
  topic: LogTopic,
  type: T,
  data: EventMap[T] & { taskId: string },
  headers: Record<string, string> = {},
): OutgoingRecord {
  return { topic, partition: 0, key: data.taskId, value: codec.encode(type, data, topic), headers }
}

export const feedback = (taskId: string, comment: string | null = null) =>
  record('tasks.control', 'FeedbackGiven', { taskId, userId: null, satisfaction: 1, comment })

export const cancel = (taskId: string, reason: string | null = null) =>
  record('tasks.control', 'TaskCancelled', { taskId, reason, requestedBy: null })

type Judge = (commit: LaneCommit) => CommitRefused['part'] | null

function judged(log: Log, paused: Set<LogTopic>, judge: Judge): Log {
  return {
    ...log,
    join: async (options, listener) => {
      const membership = await log.join(options, listener)
      return { ...membership, open: async (lane) => judgedLane(await membership.open(lane), paused, judge) }
    },
  }
}

function judgedLane(open: OpenLane, paused: Set<LogTopic>, judge: Judge): OpenLane {
  return {
    lane: open.lane,
    epoch: open.epoch,
    rows: open.rows,
    positions: open.positions,
    start: (onRecords) => open.start(onRecords),
    pause: (topics) => {
      for (const topic of topics) paused.add(topic)
      open.pause(topics)
    },
    resume: (topics) => {
      for (const topic of topics) paused.delete(topic)
      open.resume(topics)
    },
    releaseRows: () => open.releaseRows(),
    close: () => open.close(),
    commit: async (commit) => {
      const part = judge(commit)
      if (part) throw new CommitRefused('the test refuses it', part)
      await open.commit(commit)
    },
  }
}
