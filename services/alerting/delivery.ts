// Delivers one notification, under a key of its own (a part of `fleet`), so that a slow or unavailable
// channel blocks only itself.
//
// 1. Each attempt is a journalled call. A transient failure is retried, with waits that double up to five
//    minutes, or as long as the channel says; after the last attempt, or a refusal, it goes to dead-letters
//    with the reason, as JSON that can be replayed.
// 2. A raise that would be retried after its alert was resolved is dropped: it must not arrive after the end.
// 3. At least once: a crash between the channel's answer and the journal may notify it twice, under the same
//    id.
import { backoffMs } from '../../runtime/backoff.ts'
import type { Alerts } from '../../runtime/config/alert-rules.ts'
import type { Key } from '../../runtime/keys.ts'
import type { CallFailure, CallOutcome, Decision, Emit, EventMap, StageEvent } from '../../runtime/stage.ts'
import type { Alert } from './alert.ts'
import { endedEvent, FLEET, type Notice, type Notification } from './events.ts'

const TRY_MS = 10_000
const MAX_WAIT_MS = 300_000
const RETRY = 'retry'
const MAX_REASON_CHARS = 1_000

type Requested = EventMap['NotificationRequested']

export type DeliveryRows = {
  /** A notification that waits for its next attempt. */
  delivery: { request: Requested; tries: number }
}

type State = Readonly<Partial<DeliveryRows & { [row: `alert:${string}`]: Alert }>>
type Decided = Decision<DeliveryRows>

export const keyOfNotification = (id: string): Key => ({ root: FLEET, part: id })

/** Delivers a record, or retries one whose timer fired. */
export function deliver(event: StageEvent, rows: State): Decided {
  if (event.type === 'NotificationRequested') return attempt(notificationOf(event.data), 0)
  const { delivery } = rows
  if (!delivery) return {}
  const whole = notificationOf(delivery.request)
  const notices = whole.notices.filter((notice) => isStill(notice, rows))
  if (notices.length > 0) return attempt({ ...whole, notices }, delivery.tries)
  const ending = { status: 'dropped', answer: 'its alerts are over', tries: delivery.tries } as const
  return { clear: true, emit: [endedEvent(whole, ending, delivery.request.testId, event.atMs)] }
}

function notificationOf({ notificationId, channel, notices }: Requested): Notification {
  return { id: notificationId, channel, notices: notices as unknown as Notice[] }
}

const isStill = ({ kind, rule, alertId }: Notice, rows: State): boolean =>
  kind !== 'raised' || rows[`alert:${rule}`]?.alertId === alertId

/** `tries`: attempts before this one. */
const attempt = (notification: Notification, tries: number): Decided => ({
  call: {
    kind: 'notify',
    target: notification.channel,
    request: { ...notification, tries: tries + 1 },
    timeoutMs: TRY_MS,
    idempotent: true,
  },
})

/** Concludes an attempt. */
export function concludeDelivery(
  event: StageEvent,
  rows: State,
  request: unknown,
  outcome: CallOutcome,
  settings: Pick<Alerts, 'tries' | 'retryMs'>,
): Decided {
  const { tries, ...notification } = request as Notification & { tries: number }
  const asked = event.type === 'NotificationRequested' ? event.data : rows.delivery?.request
  if (!asked) return {}
  const end = (status: 'delivered' | 'failed', answer: string): Emit =>
    endedEvent(notification, { status, answer, tries }, asked.testId, outcome.endedMs)
  if (outcome.ok) return { clear: true, emit: [end('delivered', String(outcome.value))] }
  const { failure } = outcome
  const reason = `${failure.code}: ${failure.message}`.slice(0, MAX_REASON_CHARS)
  if (asked.testId !== null) return { clear: true, emit: [end('failed', reason)] }
  if (!failure.retryable || tries >= settings.tries)
    return {
      clear: true,
      emit: [end('failed', reason), deadLetterEvent(event, asked, failure, tries, outcome.endedMs)],
    }
  return {
    rows: { delivery: { request: asked, tries } },
    timers: { [RETRY]: outcome.endedMs + waitMs(settings.retryMs, tries, failure) },
  }
}

const waitMs = (retryMs: number, tries: number, { retryAfterMs }: CallFailure): number =>
  Math.min(MAX_WAIT_MS, Math.max(backoffMs(tries - 1, retryMs), retryAfterMs ?? 0))

function deadLetterEvent(
  { lane }: StageEvent,
  request: Requested,
  { code, message }: CallFailure,
  attempts: number,
  failedAtMs: number,
): Emit {
  const source = { sourceTopic: 'alerts.notifications', partition: lane, offset: 0, key: FLEET, headers: {} }
  const value = new TextEncoder().encode(JSON.stringify(request))
  const inFull = { valueBlob: null, valueBytes: null, originBlob: null }
  const data = { ...source, value, stage: 'alerting', code, message, attempts, failedAtMs, ...inFull }
  return { topic: 'dead-letters', type: 'DeadLettered', key: FLEET, data }
}
