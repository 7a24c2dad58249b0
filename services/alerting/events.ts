// Notifications of alerts: the JSON of NotificationRequested, and the request of the callers.
import type { Emit } from '../../runtime/stage.ts'
import type { Json } from '../../schemas/json.ts'

export interface Notice {
  /** approval: a call waits for a person; resolved when it no longer does. */
  readonly kind: 'raised' | 'resolved' | 'test' | 'approval'
  readonly alertId: string
  readonly rule: string
  readonly severity: 'critical' | 'warning'
  readonly value: number
  readonly threshold: number
  /** For people. */
  readonly message: string
  readonly runbook: string | null
  /** Epoch milliseconds. */
  readonly atMs: number
}

/** Request of a call of kind `notify`; its target is the channel. */
export interface Notification {
  /** The same on every attempt, so that receivers can recognise repeats. */
  readonly id: string
  readonly channel: string
  readonly notices: readonly Notice[]
}

/** All alert events have one home, so that one lane sees the whole fleet. */
export const FLEET = 'fleet'

export const notificationOf = (id: string, channel: string, notices: readonly Notice[], atMs: number): Emit =>
  requestedEvent({ id, channel, notices }, null, atMs)

export const requestedEvent = (
  { id, channel, notices }: Notification,
  testId: string | null,
  atMs: number,
): Emit => ({
  topic: 'alerts.notifications',
  type: 'NotificationRequested',
  key: FLEET,
  data: { notificationId: id, channel, notices: notices as unknown as Json, testId, atMs },
})

export interface Ending {
  readonly status: 'delivered' | 'failed' | 'dropped'
  readonly answer: string
  readonly tries: number
}

export const endedEvent = (
  { id, channel, notices }: Notification,
  { status, answer, tries }: Ending,
  testId: string | null,
  atMs: number,
): Emit => ({
  topic: 'alerts.notifications',
  type: 'NotificationEnded',
  key: FLEET,
  data: {
    notificationId: id,
    channel,
    status,
    answer,
    tries,
    alerts: notices.map(({ alertId }) => alertId),
    testId,
    atMs,
  },
})
