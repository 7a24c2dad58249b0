// Classifies errors of the client. kafkajs wraps errors in retries and does not know newer error codes, so
// the whole chain of causes is checked.
import { FlotillaError, messageOf } from '../../errors.ts'
import type { LogTopic } from '../port.ts'
import type { Names } from './names.ts'

interface Described {
  readonly name?: string
  readonly type?: string
  readonly message?: string
  readonly retriable?: boolean
  readonly cause?: unknown
}

const UNREACHABLE = new Set([
  'Unanswered',
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSGroupCoordinatorNotFound',
  'KafkaJSLockTimeout',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSTopicMetadataNotLoaded',
])

const FENCED = new Set(['INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING'])

const REFUSED_RECORDS = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD'])

/** PRODUCER_FENCED; kafkajs 2.2.4 doesn't know its name. */
const FENCED_CODE = 'Unknown error code 90'

/** Nobody answered in time; the request may still be carried out. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered'

  constructor(limitMs: number) {
    super(`no answer within ${limitMs} ms`)
  }
}

function* causes(error: unknown): Generator<Described> {
  let current: unknown = error
  for (let depth = 0; depth < 8 && typeof current === 'object' && current !== null; depth++) {
    yield current
    current = (current as Described).cause
  }
}

/** The protocol's name of the error, or null if it is not one of the protocol. */
export function errorType(error: unknown): string | null {
  for (const cause of causes(error)) if (cause.type !== undefined) return cause.type
  return null
}

/** Another producer has taken this transactional id, or the broker gave up on ours. */
export function isFencing(error: unknown): boolean {
  for (const { type, message } of causes(error)) {
    if (type !== undefined && FENCED.has(type)) return true
    if (message?.includes(FENCED_CODE)) return true
  }
  return false
}

/** The request may or may not have arrived. */
export function isUnreachable(error: unknown): boolean {
  for (const { name } of causes(error)) if (name !== undefined && UNREACHABLE.has(name)) return true
  return false
}

/** The same request may succeed in a moment. */
export function isTransient(error: unknown): boolean {
  if (isFencing(error)) return false
  if (isUnreachable(error)) return true
  for (const { type, retriable } of causes(error)) if (type !== undefined) return retriable === true
  return false
}

/**
 * Message of a failure of a transaction, for people. Brokers call a transaction "concurrent" for as long as they can't end the
 * one before it, which is a matter of milliseconds where all is well.
 */
export const transactionReason = (error: unknown): string =>
  errorType(error) === 'CONCURRENT_TRANSACTIONS'
    ? 'the brokers have not ended the transaction before: a partition that it wrote to, or one of __transaction_state, has no ' +
      'leader or too few replicas in sync (flotilla doctor names them)'
    : messageOf(error)

/** What a failed operation rejects with: TOPICS_MISSING, or LOG_UNAVAILABLE. */
export function logFailure(doing: string, names: Names, cause: unknown): FlotillaError {
  if (errorType(cause) === 'UNKNOWN_TOPIC_OR_PARTITION') return topicsMissing(doing, names, { cause })
  return new FlotillaError('LOG_UNAVAILABLE', `${doing}: ${messageOf(cause)}`, { cause })
}

/** `absent`: which, if that is known. */
export function topicsMissing(
  doing: string,
  names: Names,
  { cause, absent }: { cause?: unknown; absent?: readonly LogTopic[] },
): FlotillaError {
  const example = names.topic('tasks.submitted')
  const message = `${doing}: the broker lacks topics of this fleet, which are called like ${example}`
  return new FlotillaError('TOPICS_MISSING', message, { cause, details: { absent } })
}

/** Which part of a commit the broker refuses for good; null: it doesn't. */
export function refusedPart(error: unknown): 'record' | 'position' | null {
  const type = errorType(error)
  if (type === 'OFFSET_METADATA_TOO_LARGE') return 'position'
  return type !== null && REFUSED_RECORDS.has(type) ? 'record' : null
}

/** The broker no longer leads or coordinates: find the leader or coordinator again. */
export function isMisdirected(error: unknown): boolean {
  const type = errorType(error)
  return type !== null && /NOT_LEADER|NOT_COORDINATOR|NOT_AVAILABLE|UNKNOWN_TOPIC|LEADER_EPOCH/.test(type)
}

/** The group refuses us for good: its members speak another protocol, or we may not join it. */
export function isRefusedByGroup(error: unknown): boolean {
  const type = errorType(error)
  return (
    type !== null && /^(INCONSISTENT_GROUP_PROTOCOL|GROUP_AUTHORIZATION_FAILED|INVALID_GROUP_ID)$/.test(type)
  )
}
