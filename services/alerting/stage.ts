// Watches how tasks end, raises alerts, and notifies channels of them.
//
// 1. Two levels: each lane tallies its tasks (key `lane-7`) and passes the tally on once a second; the key
//    `fleet`, which has one home, combines the tallies, so that a rule sees the whole fleet and its state
//    stays small.
// 2. A task counts at the time of its result, not when it is read: after a backlog, tasks older than a window
//    are left out.
// 3. A firing alert is checked again when its window next changes by time alone, because it may end without
//    any event.
// 4. `fleet` makes no calls: notifications go through alerts.notifications to keys of their own
//    (delivery.ts).
import { LOG_CHANNEL, unknownRule } from '../../runtime/config/alerts.ts'
import type { Alerts, NamedRule } from '../../runtime/config/alert-rules.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { isPart, type Key } from '../../runtime/keys.ts'
import type { Decision, Emit, RecordEvent, Stage, StageEvent } from '../../runtime/stage.ts'
import type {
  AlertSilenced,
  AlertTested,
  OutcomesTallied,
  TaskCompleted,
} from '../../schemas/generated/events.ts'
import { headers } from '../../schemas/topics.ts'
import { budgetReading, isOfBudgets, nextResetMs, withReport, type BudgetRows } from './budgets.ts'
import { isOfTools, nextToolsMs, toolsReading, withChange, type ToolChangeRows } from './changed-tools.ts'
import { renotifyAtMs, step, testNotice, type Alert, type Step } from './alert.ts'
import { deliver, concludeDelivery, keyOfNotification, type DeliveryRows } from './delivery.ts'
import { enqueue, isSendTimer, send, type ChannelRows } from './grouping.ts'
import { endedEvent, FLEET, notificationOf, requestedEvent, type Notice } from './events.ts'
import { silentUntilMs, type SilenceRows } from './silences.ts'
import { BUCKET_MS, bucketOf, emptyTally, isFull, addToTally, LATE_MS, type Tally } from './tally.ts'
import { addTally, nextChangeMs, reading, type Reading, type SlotRows } from './windows.ts'

/** The part of the configuration that it needs. */
export type AlertingSettings = Pick<Fleet, 'alerts'> & { readonly limits: Pick<Fleet['limits'], 'budgets'> }

export type AlertingRows = SlotRows &
  BudgetRows &
  ToolChangeRows & { tally: Tally } & { [row: `alert:${string}`]: Alert } & SilenceRows &
  ChannelRows &
  DeliveryRows
type State = Readonly<Partial<AlertingRows>>
type Decided = Decision<AlertingRows>

const CHECK = 'check'
const reports: ReadonlySet<string> = new Set(['BudgetWarned', 'McpToolChanged'])

export function createAlertingStage(settings: AlertingSettings): Stage<AlertingRows> {
  const { alerts } = settings
  return {
    name: 'alerting',
    version: 2,
    // Rules look at minutes, so outcomes may be batched for a moment.
    lingerMs: 200,
    consumes: [
      { topic: 'tasks.completed', payloads: 'unread' },
      { topic: 'outcomes.tallied' },
      { topic: 'alerts.control' },
      { topic: 'alerts.notifications' },
      { topic: 'ops.health', accepts: (record) => reports.has(record[headers.schema] ?? '') },
    ],
    forwardsHome: true,
    keyOf,
    decide(event, rows) {
      switch (event.type) {
        case 'TaskCompleted':
          return count(event.data, rows.tally, bucketOf(event.atMs), event.lane)
        case 'OutcomesTallied':
          return checkRules(settings, rows, slotRows(alerts, rows, event.data, event.atMs), event)
        case 'BudgetWarned':
          if (!alerts.rules.some(isOfBudgets)) return {}
          return checkRules(settings, rows, withReport(rows, event.data, event.atMs), event)
        case 'McpToolChanged':
          if (!alerts.rules.some(isOfTools)) return {}
          return checkRules(settings, rows, withChange(rows, event.data), event)
        case 'AlertSilenced':
          return silence(settings, rows, event.data, event)
        case 'AlertTested':
          return { emit: testEvents(alerts, event.data, event.atMs) }
        case 'NotificationRequested':
          return deliver(event, rows)
        case 'TimerFired':
          return handleTimer(settings, event, event.data.name, rows)
        default:
          return {}
      }
    },
    conclude: (event, rows, call, outcome) => concludeDelivery(event, rows, call.request, outcome, alerts),
  }
}

function keyOf(event: RecordEvent): Key | string {
  switch (event.type) {
    case 'TaskCompleted':
      return `lane-${event.lane}`
    case 'NotificationRequested':
      return keyOfNotification(event.data.notificationId)
    default:
      return FLEET
  }
}

function handleTimer(settings: AlertingSettings, event: StageEvent, name: string, rows: State): Decided {
  if (isPart(event.key)) return deliver(event, rows)
  if (name === CHECK) return checkRules(settings, rows, {}, event)
  if (isSendTimer(name)) return send(name, rows, event.id, event.atMs)
  return rows.tally ? { rows: { tally: null }, emit: [tallyEvent(rows.tally)] } : {}
}

/** A result of another second, or one too many, emits the tally before its timer does. */
function count(data: TaskCompleted, before: Tally | undefined, bucketMs: number, lane: number): Decided {
  const same = before?.bucketMs === bucketMs
  const tally = addToTally(same ? before : emptyTally(bucketMs, lane), data)
  const emit = before && !same ? [tallyEvent(before)] : []
  if (isFull(tally))
    return { rows: { tally: null }, timers: { flush: null }, emit: [...emit, tallyEvent(tally)] }
  return { rows: { tally }, emit, ...(same ? {} : { timers: { flush: bucketMs + BUCKET_MS + LATE_MS } }) }
}

const tallyEvent = (data: Tally): Emit => ({
  topic: 'outcomes.tallied',
  type: 'OutcomesTallied',
  key: FLEET,
  data,
})

function slotRows({ rules }: Alerts, rows: State, tally: OutcomesTallied, nowMs: number): Partial<SlotRows> {
  const windows = rules.filter((rule) => !isOfBudgets(rule) && !isOfTools(rule))
  const changes = windows.map((rule) => addTally(rule, rows, tally, nowMs))
  return Object.fromEntries(changes.flatMap((change) => (change ? [[change.row, change.slot]] : [])))
}

type At = Pick<StageEvent, 'id' | 'atMs'>

/** Checks every rule; `written` overrides the rows. */
function checkRules(
  settings: AlertingSettings,
  before: State,
  written: Partial<AlertingRows>,
  { id, atMs }: At,
): Decided {
  const { alerts } = settings
  const rows: State = { ...before, ...written }
  const changes: NonNullable<Decided['rows']> = { ...written }
  const steps: { rule: NamedRule; step: Step }[] = []
  const dues: number[] = []
  for (const rule of alerts.rules) {
    const alert = rows[`alert:${rule.name}`]
    const silentMs = silentUntilMs(rule.name, alerts, rows, atMs)
    const next = step(rule, alert, readingOf(rule, rows, settings, atMs), silentMs !== null, atMs)
    if (next) {
      changes[`alert:${rule.name}`] = next.alert
      steps.push({ rule, step: next })
    }
    const lasting = next ? next.alert : alert
    if (lasting) dues.push(dueMs(rule, lasting, silentMs), nextChangeOf(rule, rows, settings, atMs))
  }
  const notified = notifyChannels(alerts, before, steps, id, atMs)
  const ends = Object.keys(before).some((row) => row.startsWith('alert:'))
  const check = dues.length > 0 ? { [CHECK]: Math.min(...dues) } : ends ? { [CHECK]: null } : {}
  return {
    rows: { ...changes, ...notified.rows },
    emit: notified.emit,
    timers: { ...check, ...notified.timers },
  }
}

function readingOf(rule: NamedRule, rows: State, { limits }: AlertingSettings, nowMs: number): Reading {
  if (isOfTools(rule)) return toolsReading(rule, rows, nowMs)
  return isOfBudgets(rule) ? budgetReading(rule, rows, limits.budgets, nowMs) : reading(rule, rows, nowMs)
}

/** When the rule's reading may next change without any event. */
function nextChangeOf(rule: NamedRule, rows: State, { limits }: AlertingSettings, nowMs: number): number {
  if (isOfTools(rule)) return nextToolsMs(rule, rows, nowMs)
  return isOfBudgets(rule) ? nextResetMs(rule, rows, limits.budgets, nowMs) : nextChangeMs(rule, rows, nowMs)
}

/** When a firing alert is due to be raised again. */
function dueMs(rule: NamedRule, alert: Alert, silentMs: number | null): number {
  const silenceEnds = silentMs !== null && !alert.told ? [silentMs] : []
  return Math.min(renotifyAtMs(rule, alert), ...silenceEnds)
}

/** The alerts' events, a log notification at once, and the queued notices of the rules' channels. */
function notifyChannels(
  alerts: Alerts,
  rows: State,
  steps: readonly { rule: NamedRule; step: Step }[],
  id: string,
  atMs: number,
): Required<Pick<Decided, 'rows' | 'emit' | 'timers'>> {
  if (steps.length === 0) return { rows: {}, emit: [], timers: {} }
  const changes: Partial<ChannelRows> = {}
  const timers: Record<string, number> = {}
  for (const channel of Object.keys(alerts.channels)) {
    const notices = steps
      .filter(({ rule, step: { tell: wanted } }) => wanted && rule.channels.includes(channel))
      .map(({ step: { notice } }) => notice)
    if (notices.length === 0) continue
    const queued = enqueue(channel, notices, rows, alerts, atMs)
    changes[`channel:${channel}`] = queued.row
    Object.assign(timers, queued.timers)
  }
  const logged = steps.map(({ step: { notice } }) => notice)
  const emit = [
    ...steps.map(({ rule, step: { event } }): Emit => ({ topic: 'alerts.raised', key: rule.name, ...event })),
    notificationOf(`${id}-${LOG_CHANNEL}`, LOG_CHANNEL, logged, atMs),
  ]
  return { rows: changes, emit, timers }
}

/** Checks the rule at once: the end of a silence may trigger a page. */
function silence(
  settings: AlertingSettings,
  rows: State,
  { rule, untilMs, reason, by }: AlertSilenced,
  at: At,
): Decided {
  // Anyone may silence any name; only silences of known rules are kept.
  if (!settings.alerts.rules.some(({ name }) => name === rule)) return {}
  const silent = untilMs > at.atMs
  const row = `silence:${rule}` as const
  if (silent)
    return checkRules(
      settings,
      rows,
      { [row]: { untilMs, reason, by } } as SilenceRows as Partial<AlertingRows>,
      at,
    )
  const { [row]: _, ...others } = rows
  const looked = checkRules(settings, others as State, {}, at)
  return { ...looked, rows: { ...looked.rows, [row]: null } }
}

/**
 * Tests each channel of the rule separately, without grouping and silences; an unusable channel fails at
 * once.
 */
function testEvents(alerts: Alerts, { testId, rule: name }: AlertTested, atMs: number): Emit[] {
  const failed = (channel: string, answer: string): Emit =>
    endedEvent(
      { id: `${testId}-${channel}`, channel, notices: [] },
      { status: 'failed', answer, tries: 0 },
      testId,
      atMs,
    )
  const rule = alerts.rules.find((each) => each.name === name)
  if (!rule) return [failed('none', unknownRule(name, alerts.rules))]
  const notices: Notice[] = [testNotice(rule, testId, atMs)]
  const channels = [...new Set([LOG_CHANNEL, ...rule.channels])]
  const usable = (channel: string) => channel === LOG_CHANNEL || Object.hasOwn(alerts.channels, channel)
  const asked = channels
    .filter(usable)
    .map((channel) => requestedEvent({ id: `${testId}-${channel}`, channel, notices }, testId, atMs))
  const refused = channels
    .filter((channel) => !usable(channel))
    .map((channel) => failed(channel, `CHANNEL_NOT_CONFIGURED: add alerts.channels.${channel}`))
  return [...asked, ...refused]
}
