// Replays dead letters, or refuses to.
//
// 1. An event of the fleet itself is replayed under its own id, for the stage that gave it up and for no
//    other: outcomes that the call journal has answer its calls, and what it emits has the ids that it would
//    have had.
// 2. A replay that would give a task a second result is refused: a submission whose id is remembered, an
//    admission whose task has ended, a result. `as` submits such a task as a new one.
// 3. A record of a topic that anyone writes becomes a new event, as if its writer sent it again.
// 4. A replay leaves a mark on dead-letters; a letter that has one is not replayed again.
import { randomUUID } from 'node:crypto'
import type { Codec, Decoded } from '../../../runtime/codec/port.ts'
import { FlotillaError, type ErrorCode } from '../../../runtime/errors.ts'
import { homeOf } from '../../../runtime/log/home.ts'
import type { OutgoingRecord } from '../../../runtime/log/port.ts'
import { taskIdPattern } from '../../../schemas/task-id.ts'
import type { DeadLettered } from '../../../schemas/generated/events.ts'
import { headers as names, topics, type TopicName, type TopicSpec } from '../../../schemas/topics.ts'

export interface ReplayOptions {
  /** Also on topics that only stages write. */
  force?: boolean
  /** Submit the task of this letter as a new one, with this id. */
  as?: string
}

/** How long the router remembers ids: for a day after the task's deadline, if that is later. */
const REMEMBER_MS = 7 * 86_400_000
const REMEMBER_AFTER_DEADLINE_MS = 86_400_000
/** `code` of the mark that a replay leaves on dead-letters. */
export const REPLAYED = 'REPLAYED'
/** `code` of the mark that a purge leaves: the letter is no longer listed. */
export const PURGED = 'PURGED'

export interface Letter {
  readonly id: string
  readonly data: DeadLettered
  /** The original bytes. */
  readonly value: Uint8Array
}

/** The record to publish. Throws NOT_FOUND or REQUEST_INVALID with what to do instead. */
export async function replayOf(
  letter: Letter,
  codec: Codec,
  partitions: number,
  options: ReplayOptions,
): Promise<OutgoingRecord> {
  const { data } = letter
  const topic = topics.find(({ name }) => name === data.sourceTopic)
  if (!topic)
    throw new FlotillaError(
      'NOT_FOUND',
      `dead letter ${letter.id} came from ${data.sourceTopic}, which takes no records`,
    )
  const event = await decode(codec, letter, topic.name)
  if (options.as !== undefined) return submission(letter, event, codec, partitions, options.as)
  refuseSecondResult(letter, event)
  if (topic.writers.includes('anyone') || topic.name === 'alerts.notifications') return again(letter, topic)
  refuseUnforced(letter, topic, options)
  return forItsStage(letter, topic)
}

/** Null if the bytes are not an event, which may be why it is a dead letter. */
async function decode(codec: Codec, { value }: Letter, topic: TopicName): Promise<Decoded | null> {
  try {
    return await codec.decode(value, topic)
  } catch (error) {
    if (error instanceof FlotillaError && error.retryable) throw error
    return null
  }
}

function again({ data, value }: Letter, { name }: TopicSpec): OutgoingRecord {
  const headers = { ...data.headers, [names.eventId]: randomUUID().replaceAll('-', '') }
  return { topic: name, partition: data.partition, key: data.key, value, headers }
}

function forItsStage({ data, value }: Letter, { name }: TopicSpec): OutgoingRecord {
  const headers = { ...data.headers, [names.replayFor]: data.stage }
  return { topic: name, partition: data.partition, key: data.key, value, headers }
}

function submission(
  { id }: Letter,
  event: Decoded | null,
  codec: Codec,
  partitions: number,
  taskId: string,
): OutgoingRecord {
  if (event?.type !== 'TaskSubmitted')
    throw refusal(`dead letter ${id} is not a submitted task (${event?.type ?? 'it can’t be decoded'})`)
  if (!taskIdPattern.test(taskId))
    throw refusal(`${taskId} is not a task id: use 1 to 128 letters, digits, dots, colons, - and _`)
  const value = codec.encode('TaskSubmitted', { ...event.data, taskId }, 'tasks.submitted')
  return { topic: 'tasks.submitted', partition: homeOf(taskId, partitions), key: taskId, value, headers: {} }
}

/** Codes of submissions that became dead letters instead of a result. */
const unanswered: ReadonlySet<string> = new Set<ErrorCode>(['UNDECODABLE_RECORD', 'RECORD_TOO_LARGE'])

function refuseSecondResult({ id, data }: Letter, event: Decoded | null): void {
  if (event?.type === 'TaskCompleted')
    throw refusal(
      `dead letter ${id} is a result, given up by ${data.stage}: replaying it would give the task a second one`,
    )
  if (event?.type === 'TaskAdmitted' && data.stage === 'planner')
    throw refusal(
      `task ${event.data.taskId} has ended: it failed when planner gave dead letter ${id} up. Submit it again under another id`,
    )
  const rememberedUntilMs =
    event?.type === 'TaskSubmitted'
      ? data.failedAtMs + Math.max(REMEMBER_MS, (event.data.timeoutMs ?? 0) + REMEMBER_AFTER_DEADLINE_MS)
      : 0
  if (event?.type === 'TaskSubmitted' && !unanswered.has(data.code) && Date.now() < rememberedUntilMs)
    throw refusal(
      `task ${event.data.taskId ?? data.key ?? ''} was answered when dead letter ${id} was written, and its id is remembered until ` +
        `${new Date(rememberedUntilMs).toISOString()}: replaying it would do nothing. ` +
        `Submit it as a new task: flotilla dead-letters replay ${id} --as <new id>`,
    )
  if (event && 'deadlineMs' in event.data && Number(event.data.deadlineMs) < Date.now())
    throw refusal(
      `${event.type} of dead letter ${id} was wanted until ${new Date(Number(event.data.deadlineMs)).toISOString()}: ` +
        'nobody waits for its reply any more. Submit its task again under another id',
    )
}

function refuseUnforced({ id, data }: Letter, { name, writers }: TopicSpec, { force }: ReplayOptions): void {
  if (force) return
  throw refusal(
    `dead letter ${id} came from ${name}, which only ${writers.join(', ')} writes. Replaying it lets ${data.stage} handle the same event ` +
      'again: calls whose outcomes are recorded are not made again, others are; a task that has ended stays ended. If that is ' +
      `what you want: flotilla dead-letters replay ${id} --force`,
  )
}

export function refuseRepeated(id: string, mark: DeadLettered | undefined): void {
  if (mark)
    throw refusal(
      `dead letter ${id} was replayed at ${new Date(mark.failedAtMs).toISOString()}: nothing was done now`,
    )
}

/** The mark that a replay or a purge leaves on dead-letters: a letter about this one, which is never replayed. */
export function markOf(
  { id, data }: Pick<Letter, 'id' | 'data'>,
  code: typeof REPLAYED | typeof PURGED,
): DeadLettered {
  return {
    ...data,
    value: new Uint8Array(),
    valueBlob: null,
    valueBytes: null,
    originBlob: null,
    headers: { [names.replayOf]: id },
    code,
    message: `dead letter ${id} was ${code.toLowerCase()}`,
    failedAtMs: Date.now(),
  }
}

export const isMark = ({ code }: DeadLettered): boolean => code === REPLAYED || code === PURGED

export const isMarkOf = (id: string, { code, headers }: DeadLettered): boolean =>
  code === REPLAYED && headers[names.replayOf] === id

const refusal = (message: string): FlotillaError => new FlotillaError('REQUEST_INVALID', message)
