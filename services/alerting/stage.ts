// Watches how tasks end and raises alerts.
//
// 1. Two levels: each lane tallies its tasks (key `lane-7`) and passes the tally on once a second; the key `fleet`, which has one
//    home, brings the tallies together, so that a rule sees the whole fleet and its state stays small.
// 2. A task counts at the time of its result, not when it is read: after a backlog, what is older than a window is left out.
// 3. An alert under way is looked at again by a timer, because it may end by nothing happening.
import type { Fleet } from '../../runtime/config/fleet.ts'
import type { Decision, Emit, Stage, StageEvent } from '../../runtime/stage.ts'
import type { OutcomesTallied, TaskCompleted } from '../../schemas/generated/events.ts'
import { step, type Alert, type Notice } from './alerts.ts'
import { rulesOf, type Rule } from './rules.ts'
import { BUCKET_MS, bucketOf, emptyTally, isFull, tallied, type Tally } from './tally.ts'
import { added, reading, type SlotRows } from './windows.ts'

export type AlertingRows = SlotRows & { tally: Tally } & { [row: `alert:${string}`]: Alert }
type State = Readonly<Partial<AlertingRows>>

const FLEET = 'fleet'
/** How often an alert under way is looked at. */
const CHECK_MS = 10_000
const NOTIFY_TIMEOUT_MS = 5_000

export function createAlertingStage(fleet: Pick<Fleet, 'alerts'>): Stage<AlertingRows> {
  const rules = rulesOf(fleet.alerts)
  return {
    name: 'alerting',
    version: 1,
    // Rules look at minutes: outcomes may gather for a moment.
    lingerMs: 200,
    consumes: [{ topic: 'tasks.completed' }, { topic: 'outcomes.tallied' }],
    keyOf,
    decide(event, rows) {
      switch (event.type) {
        case 'TaskCompleted':
          return count(event.data, rows.tally, bucketOf(event.atMs), event.lane)
        case 'OutcomesTallied':
          return look(rules, rows, addedRows(rules, rows, event.data, event.atMs), event.atMs)
        case 'TimerFired':
          if (event.data.name === 'check') return look(rules, rows, {}, event.atMs)
          return rows.tally ? { rows: { tally: null }, emit: [passedOn(rows.tally)] } : {}
        default:
          return {}
      }
    },
    // The alert stands whether the notice could be written or not.
    conclude: () => ({}),
  }
}

function keyOf(event: StageEvent): string {
  if (event.type === 'TaskCompleted') return `lane-${event.lane}`
  return event.type === 'OutcomesTallied' ? FLEET : event.key
}

/** A result of another second, or one too many, passes the tally on before its timer does. */
function count(
  data: TaskCompleted,
  before: Tally | undefined,
  bucketMs: number,
  lane: number,
): Decision<AlertingRows> {
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

function addedRows(
  rules: readonly Rule[],
  rows: State,
  tally: OutcomesTallied,
  nowMs: number,
): Partial<SlotRows> {
  const changes = rules.map((rule) => added(rule, rows, tally, nowMs))
  return Object.fromEntries(changes.flatMap((change) => (change ? [[change.row, change.slot]] : [])))
}

/** Reads every rule; `slots` are written first. */
function look(
  rules: readonly Rule[],
  rows: State,
  slots: Partial<SlotRows>,
  nowMs: number,
): Decision<AlertingRows> {
  const changes: NonNullable<Decision<AlertingRows>['rows']> = { ...slots }
  const windows = { ...rows, ...slots }
  const notices: Notice[] = []
  let lasting = false
  for (const rule of rules) {
    const alert = rows[`alert:${rule.name}`]
    const next = step(rule, alert, reading(rule, windows, nowMs), nowMs)
    if (next) {
      changes[`alert:${rule.name}`] = next.alert
      notices.push(next.notice)
    }
    lasting ||= next ? next.alert !== null : alert !== undefined
  }
  const timers: Record<string, number | null> = {}
  if (lasting || notices.length > 0) timers['check'] = lasting ? nowMs + CHECK_MS : null
  const emit = notices.map((notice): Emit => ({ topic: 'alerts.raised', key: notice.data.rule, ...notice }))
  return notices.length === 0
    ? { rows: changes, timers }
    : { rows: changes, timers, emit, call: notify(notices) }
}

/** Told at least once: after a crash perhaps twice. */
const notify = (notices: readonly Notice[]): NonNullable<Decision['call']> => ({
  kind: 'notify',
  target: 'log',
  request: notices,
  timeoutMs: NOTIFY_TIMEOUT_MS,
  idempotent: true,
  journalled: false,
})
