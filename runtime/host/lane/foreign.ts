// Records of open topics: those that anyone may write. Nothing that they claim is trusted.
//
// 1. Their identity is their position in the log, never a header. So a record that router moved home is a
//    record like any other, with the identity of its new position: moving is exactly once.
// 2. Of their headers only a well-formed traceparent is kept; nothing else is read, copied or passed on.
// 3. Their key is ignored: the value names the task, and ids are checked (schemas/identity.ts) before they
//    become keys.
// 4. Their time is the log's (log/port.ts), and is also bounded here: not in the future, not more than a day
//    back. So the id of a task is remembered for six days at least, whatever time its record has; and a task
//    that may take longer than a day, and has been in the log for longer before it is read, gets more time than
//    it asked for, never less. If the bound
//    applies, a second handling after a crash has a later time than the first: that does no harm, because the
//    first one was not committed. The answer to its call is journalled, and its grants are counted by its
//    task's id.
import { identityMistakes, shown } from '../../../schemas/identity.ts'
import { taskIdPattern } from '../../../schemas/task-id.ts'
import { headers as names, topics, type TopicName } from '../../../schemas/topics.ts'
import type { Codec, Decoded } from '../../codec/port.ts'
import { FlotillaError } from '../../errors.ts'
import type { LogRecord, LogTopic } from '../../log/port.ts'
import { formatTraceparent, parseTraceparent } from '../../telemetry/trace-context.ts'

const open: ReadonlyMap<LogTopic, { readonly fixedKey?: string }> = new Map(
  topics.filter(({ writers }) => writers.includes('anyone')).map((spec) => [spec.name, spec]),
)

export const MAX_LATE_MS = 86_400_000

export const isOpen = (topic: LogTopic): boolean => open.has(topic)

/** The one key of the topic's records if they are about no task; null if they are about one. */
export const fixedKeyOf = (topic: LogTopic): string | null => open.get(topic)?.fixedKey ?? null

/** The record as the host takes it: unchanged, or, from an open topic, without untrusted parts. */
export function received(record: LogRecord, nowMs: number): LogRecord {
  if (!isOpen(record.topic)) return record
  const { key, timestampMs } = record
  const parent = parseTraceparent(record.headers[names.traceparent] ?? null)
  return {
    ...record,
    key: key === null || taskIdPattern.test(key) ? key : shown(key),
    headers: parent === null ? {} : { [names.traceparent]: formatTraceparent(parent) },
    timestampMs: Math.min(nowMs, Math.max(nowMs - MAX_LATE_MS, timestampMs)),
  }
}

const NO_MISTAKES: readonly string[] = []

/** Why a record of an open topic can't be taken as what it names; empty when it can. */
export const mistakesOf = ({ topic }: LogRecord, { type, data }: Decoded): readonly string[] =>
  isOpen(topic) ? identityMistakes(type, data) : NO_MISTAKES

/** The task id in the bytes of a submission, if they can be read at once. */
export function submittedIdOf(codec: Codec, value: Uint8Array, topic: TopicName): string | null {
  try {
    const decoded = codec.decode(value, topic)
    if (!(decoded instanceof Promise))
      return decoded.type === 'TaskSubmitted' ? (decoded.data.taskId ?? null) : null
    decoded.catch(() => {})
    return null
  } catch (error) {
    return submittedIdIn(error)
  }
}

/** The task id that a submission named, according to the error that it led to. */
export function submittedIdIn(error: unknown): string | null {
  const details = error instanceof FlotillaError ? error.details : undefined
  return { taskId: null, ...(details as { taskId?: string | null } | undefined) }.taskId
}
