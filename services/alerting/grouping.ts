// Groups alerts for a channel: those that come close together become one notification.
//
// 1. The first alert waits `groupWaitMs` for others, and a channel is not notified again within
//    `groupIntervalMs` of the last time.
// 2. Of one alert the latest notice of a kind counts, so the queue is bounded by the number of rules.
import type { Alerts } from '../../runtime/config/alert-rules.ts'
import type { Decision } from '../../runtime/stage.ts'
import { notificationOf, type Notice } from './events.ts'

/** One row for each channel. */
export interface Waiting {
  notices: Notice[]
  /** When the channel was last notified; 0: never. */
  sentMs: number
}

export type ChannelRows = { [row: `channel:${string}`]: Waiting }
type Rows = Readonly<Partial<ChannelRows>>

const TIMER = 'send:'
export const isSendTimer = (name: string): boolean => name.startsWith(TIMER)

type Timing = Pick<Alerts, 'groupWaitMs' | 'groupIntervalMs'>

/** Queues notices for this channel: the rows and timers. */
export function enqueue(
  channel: string,
  notices: readonly Notice[],
  rows: Rows,
  { groupWaitMs, groupIntervalMs }: Timing,
  nowMs: number,
): { row: Waiting; timers: Record<string, number> } {
  const before = rows[`channel:${channel}`] ?? { notices: [], sentMs: 0 }
  const isNewer = (old: Notice) =>
    notices.some(({ alertId, kind }) => alertId === old.alertId && kind === old.kind)
  const row = { ...before, notices: [...before.notices.filter((old) => !isNewer(old)), ...notices] }
  // Queued notices have their timer already.
  if (before.notices.length > 0) return { row, timers: {} }
  const dueMs = Math.max(nowMs + groupWaitMs, before.sentMs + groupIntervalMs)
  return { row, timers: { [`${TIMER}${channel}`]: dueMs } }
}

/** Sends the queued notices when a channel's timer fires. */
export function send(timer: string, rows: Rows, id: string, atMs: number): Decision<ChannelRows> {
  const channel = timer.slice(TIMER.length)
  const { notices = [] } = rows[`channel:${channel}`] ?? {}
  const sent: Partial<ChannelRows> = { [`channel:${channel}`]: { notices: [], sentMs: atMs } }
  return { rows: sent, emit: notices.length === 0 ? [] : [notificationOf(id, channel, notices, atMs)] }
}
