// Watches how tasks end, raises alerts, and tells channels of them.
//
// 1. Two levels: each lane tallies its tasks (key `lane-7`) and passes the tally on once a second; the key `fleet`, which has one
//    home, brings the tallies together, so that a rule sees the whole fleet and its state stays small.
// 2. A task counts at the time of its result, not when it is read: after a backlog, what is older than a window is left out.
// 3. An alert under way is looked at again when its window next changes by time alone, because it may end by nothing happening.
// 4. `fleet` makes no calls: what channels are told goes by alerts.notifications to keys of its own (delivery.ts).
import { LOG_CHANNEL, unknownRule } from '../../runtime/config/alerts.ts'
import type { Alerts, Fleet, NamedRule } from '../../runtime/config/fleet.ts'
import { isPart, type Key } from '../../runtime/keys.ts'
import type { Decision, Emit, RecordEvent, Stage, StageEvent } from '../../runtime/stage.ts'
import type {
  AlertSilenced,
  AlertTested,
  OutcomesTallied,
  TaskCompleted,
} from '../../schemas/generated/events.ts'
import { headers } from '../../schemas/topics.ts'
import { budgetReading, isOfBudgets, nextResetMs, reported, type BudgetRows } from './budgets.ts'
import { renotifyAtMs, step, testNotice, type Alert, type Step } from './alert.ts'
import { deliver, delivered, keyOfNotification, type DeliveryRows } from './delivery.ts'
import { enqueued, isSendTimer, send, type ChannelRows } from './grouping.ts'
import { ended, FLEET, notificationOf, requested, type Notice } from './events.ts'
import { silentUntilMs, type SilenceRows } from './silences.ts'
import { BUCKET_MS, bucketOf, emptyTally, isFull, tallied, type Tally } from './tally.ts'
import { added, nextChangeMs, reading, type Reading, type SlotRows } from './windows.ts'

/** Of the configuration. */
export type AlertingSettings = Pick<Fleet, 'alerts'> & { readonly limits: Pick<Fleet['limits'], 'budgets'> }

export type AlertingRows = SlotRows &
  BudgetRows & { tally: Tally } & { [row: `alert:${string}`]: Alert } & SilenceRows &
  ChannelRows &
  DeliveryRows
type State = Readonly<Partial<AlertingRows>>
type Decided = Decision<AlertingRows>

const CHECK = 'check'

export function createAlertingStage(settings: AlertingSettings): Stage<AlertingRows> {
  const { alerts } = settings
  return {
    name: 'alerting',
    version: 2,
    // Rules look at minutes: outcomes may gather for a moment.
    lingerMs: 200,
    consumes: [
      { topic: 'tasks.completed' },
      { topic: 'outcomes.tallied' },
      { topic: 'alerts.control' },
      { topic: 'alerts.notifications' },
      { topic: 'ops.health', accepts: (record) => record[headers.schema] === 'BudgetWarned' },
    ],
    forwardsHome: true,
    keyOf,
    decide(event, rows) {
      switch (event.type) {
        case 'TaskCompleted':
          return count(event.data, rows.tally, bucketOf(event.atMs), event.lane)
        case 'OutcomesTallied':
          return look(settings, rows, addedRows(alerts, rows, event.data, event.atMs), event)
        case 'BudgetWarned':
          if (!alerts.rules.some(isOfBudgets)) return {}
          return look(settings, rows, reported(rows, event.data, event.atMs), event)
        case 'AlertSilenced':
          return silence(settings, rows, event.data, event)
        case 'AlertTested':
          return { emit: testsOf(alerts, event.data, event.atMs) }
        case 'NotificationRequested':
          return deliver(event, rows)
        case 'TimerFired':
          return timer(settings, event, event.data.name, rows)
        default:
          return {}
      }
    },
    conclude: (event, rows, call, outcome) => delivered(event, rows, call.request, outcome, alerts),
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

function timer(settings: AlertingSettings, event: StageEvent, name: string, rows: State): Decided {
  if (isPart(event.key)) return deliver(event, rows)
  if (name === CHECK) return look(settings, rows, {}, event)
  if (isSendTimer(name)) return send(name, rows, event.id, event.atMs)
  return rows.tally ? { rows: { tally: null }, emit: [passedOn(rows.tally)] } : {}
}

/** A result of another second, or one too many, passes the tally on before its timer does. */
function count(data: TaskCompleted, before: Tally | undefined, bucketMs: number, lane: number): Decided {
  const same = before?.bucketMs === bucketMs
  const tally = tallied(same ? before : emptyTally(bucketMs, lane), data)
  const emit = before && !same ? [passedOn(before)] : []
  if (isFull(tally))
    return { rows: { tally: null }, timers: { flush: null }, emit: [...emit, passedOn(tally)] }
  return { rows: { tally }, timers: { flush: bucketMs + BUCKET_MS }, emit }
}

const passedOn = (data: Tally): Emit => ({
  topic: 'outcomes.tallied',
  type: 'OutcomesTallied',
  key: FLEET,
  data,
})

function addedRows({ rules }: Alerts, rows: State, tally: OutcomesTallied, nowMs: number): Partial<SlotRows> {
  const windows = rules.filter((rule) => !isOfBudgets(rule))
  const changes = windows.map((rule) => added(rule, rows, tally, nowMs))
  return Object.fromEntries(changes.flatMap((change) => (change ? [[change.row, change.slot]] : [])))
}

type At = Pick<StageEvent, 'id' | 'atMs'>

/** Reads every rule; `written` goes before. */
function look(
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
  const told = tell(alerts, before, steps, id, atMs)
  const ends = Object.keys(before).some((row) => row.startsWith('alert:'))
  const check = dues.length > 0 ? { [CHECK]: Math.min(...dues) } : ends ? { [CHECK]: null } : {}
  return { rows: { ...changes, ...told.rows }, emit: told.emit, timers: { ...check, ...told.timers } }
}

function readingOf(rule: NamedRule, rows: State, { limits }: AlertingSettings, nowMs: number): Reading {
  return isOfBudgets(rule) ? budgetReading(rule, rows, limits.budgets, nowMs) : reading(rule, rows, nowMs)
}

/** When what the rule reads may next change although nothing happens. */
function nextChangeOf(rule: NamedRule, rows: State, { limits }: AlertingSettings, nowMs: number): number {
  return isOfBudgets(rule) ? nextResetMs(rule, rows, limits.budgets, nowMs) : nextChangeMs(rule, rows, nowMs)
}

/** When an alert under way is due to be raised again. */
function dueMs(rule: NamedRule, alert: Alert, silentMs: number | null): number {
  const silenceEnds = silentMs !== null && !alert.told ? [silentMs] : []
  return Math.min(renotifyAtMs(rule, alert), ...silenceEnds)
}

/** The alerts' events, a notice in the log at once, and what the rules' channels will be told. */
function tell(
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
    const queued = enqueued(channel, notices, rows, alerts, atMs)
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

/** The rule is read at once: the end of a silence may be the beginning of a page. */
function silence(
  settings: AlertingSettings,
  rows: State,
  { rule, untilMs, reason, by }: AlertSilenced,
  at: At,
): Decided {
  // Anyone may say anything of any rule; what is kept is of those that there are.
  if (!settings.alerts.rules.some(({ name }) => name === rule)) return {}
  const silent = untilMs > at.atMs
  const row = `silence:${rule}` as const
  if (silent)
    return look(
      settings,
      rows,
      { [row]: { untilMs, reason, by } } as SilenceRows as Partial<AlertingRows>,
      at,
    )
  const { [row]: _, ...others } = rows
  const looked = look(settings, others as State, {}, at)
  return { ...looked, rows: { ...looked.rows, [row]: null } }
}

/** To each channel of the rule by itself, past grouping and silences; what can't be told is answered at once. */
function testsOf(alerts: Alerts, { testId, rule: name }: AlertTested, atMs: number): Emit[] {
  const failed = (channel: string, answer: string): Emit =>
    ended(
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
    .map((channel) => requested({ id: `${testId}-${channel}`, channel, notices }, testId, atMs))
  const refused = channels
    .filter((channel) => !usable(channel))
    .map((channel) => failed(channel, `CHANNEL_NOT_CONFIGURED: add alerts.channels.${channel}`))
  return [...asked, ...refused]
}
