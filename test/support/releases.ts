// A small stage in two releases: it keeps a row for each task that it has seen feedback of.
import type { Clock } from '../../runtime/clock.ts'
import type { Codec } from '../../runtime/codec/port.ts'
import { CallMaker } from '../../runtime/host/calls/calls.ts'
import { openJournal } from '../../runtime/host/calls/journal.ts'
import { defaultHostOptions } from '../../runtime/host/context.ts'
import { Semaphore } from '../../runtime/host/calls/semaphore.ts'
import { StageHost } from '../../runtime/host/stage-host.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Log, OutgoingRecord } from '../../runtime/log/port.ts'
import type { Stage } from '../../runtime/stage.ts'
import { memoryBlobs, memoryKeyValue } from '../../runtime/testing/memory/store.ts'
import { quietInstruments } from '../../runtime/telemetry/instruments.ts'

const stageOf = (version: number): Stage => ({
  name: 'metering',
  version,
  consumes: [{ topic: 'tasks.control' }],
  decide: (event) => (event.type === 'FeedbackGiven' ? { rows: { seen: event.atMs } } : {}),
})

/** The stage of this version in a process of its own. */
export function releaseOf(
  version: number,
  { log, codec, clock }: { log: Log; codec: Codec; clock: Clock },
): StageHost {
  const instruments = quietInstruments
  const keyValue = memoryKeyValue({ clock })
  const journal = openJournal(keyValue, clock, { leaseMs: 0, keepMs: 1_000, forgottenMs: 0 })
  const breakers = { run: <T>(_: string, work: () => Promise<T>) => work() }
  const calls = new CallMaker({
    journal,
    breakers,
    clock,
    instruments,
    capacity: new Semaphore(8),
    callers: {},
  })
  const parts = { codec, blobs: memoryBlobs(), journal, calls, clock, instruments, keyValue }
  const options = { ...defaultHostOptions, drainMs: 2_000 }
  return new StageHost({ ...parts, stage: stageOf(version), log, options, instance: `release-${version}` })
}

export function feedbackFor(taskId: string, partitions: number, codec: Codec): OutgoingRecord {
  const data = { taskId, userId: null, satisfaction: 1, comment: null }
  const value = codec.encode('FeedbackGiven', data, 'tasks.control')
  return { topic: 'tasks.control', partition: homeOf(taskId, partitions), key: taskId, value, headers: {} }
}
