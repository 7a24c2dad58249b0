// The figures that users were promised of alerts, rule by rule.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeAlerts, defaultAlerts } from '../../../runtime/config/alerts.ts'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import { failure } from '../../../runtime/errors.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { EventMap } from '../../../runtime/stage.ts'
import { createAlertingStage } from '../../../services/alerting/stage.ts'
import { BUCKET_MS, LATE_MS } from '../../../services/alerting/tally.ts'
import { completed } from '../metering/events.ts'

const START = 1_750_000_000_000
type Task = Partial<EventMap['TaskCompleted']>

const ok: Task = {}
const bad: Task = { status: 'failed', error: failure('TOOL_FAILED', 'no') }
const took = (executionTime: number): Task => ({ executionTime })
const spent = (inputTokens: number): Task => ({
  usage: { ...completed().usage, inputTokens, outputTokens: 0 },
})
const quota: Task = { status: 'failed', error: failure('MODEL_QUOTA_EXCEEDED', 'no credit left') }
const times = (count: number, task: Task): Task[] => new Array<Task>(count).fill(task)

interface Row {
  readonly rule: string
  readonly severity: string
  readonly channels: readonly string[]
  readonly windowMs: number
  readonly threshold: number
  /** Just not enough, and just enough. */
  readonly calm: readonly Task[]
  readonly firing: readonly Task[]
}

const table: readonly Row[] = [
  {
    rule: 'high_error_rate',
    severity: 'critical',
    channels: ['pagerduty', 'slack'],
    windowMs: 300_000,
    threshold: 0.05,
    calm: [...times(19, ok), ...times(1, bad)],
    firing: [...times(18, ok), ...times(2, bad)],
  },
  {
    rule: 'high_latency',
    severity: 'warning',
    channels: ['slack'],
    windowMs: 60_000,
    threshold: 30_000,
    calm: [...times(95, took(100)), ...times(5, took(60_000))],
    firing: [...times(94, took(100)), ...times(6, took(60_000))],
  },
  {
    rule: 'high_token_usage',
    severity: 'warning',
    channels: ['slack'],
    windowMs: 86_400_000,
    threshold: 1_000_000,
    calm: [spent(1_000_000)],
    firing: [spent(1_000_000), spent(1)],
  },
  {
    rule: 'quota_exceeded',
    severity: 'critical',
    channels: ['pagerduty', 'email'],
    windowMs: 300_000,
    threshold: 0,
    calm: times(5, bad),
    firing: [quota],
  },
]

/** Results come as they do: by way of a lane's tally. */
function run(tasks: readonly Task[]) {
  const driver = drive(createAlertingStage({ limits: defaultLimits, alerts: completeAlerts({}) }), {
    now: START,
  })
  tasks.forEach((task, index) =>
    driver.send('tasks.completed', 'TaskCompleted', completed({ taskId: `t${index}`, ...task })),
  )
  driver.advance(BUCKET_MS + LATE_MS)
  for (const tally of driver.all('OutcomesTallied'))
    driver.send('outcomes.tallied', 'OutcomesTallied', tally, { key: 'fleet' })
  return driver
}

for (const { rule, severity, channels, windowMs, threshold, calm, firing } of table)
  test(`${rule}: ${severity}, to ${channels.join(' and ')}, over ${windowMs / 1_000} s`, () => {
    const of = (tasks: readonly Task[]) =>
      run(tasks)
        .all('AlertRaised')
        .filter((alert) => alert.rule === rule)
    assert.deepEqual(of(calm), [])
    const [alert] = of(firing)
    assert.deepEqual(
      [alert?.severity, alert?.channels, alert?.windowMs, alert?.threshold],
      [severity, channels, windowMs, threshold],
    )
    const driver = run(firing)
    driver.advance(windowMs + windowMs / 20)
    assert.deepEqual(
      driver.all('AlertResolved').map((end) => end.rule),
      [rule],
      'it ends although nothing comes',
    )
  })

test('an error rate of fewer than 20 tasks says nothing', () => {
  assert.deepEqual(run(times(19, bad)).all('AlertRaised'), [])
  assert.deepEqual(
    run(times(20, bad))
      .all('AlertRaised')
      .map(({ rule }) => rule),
    ['high_error_rate'],
  )
})

test('the standard rules are these, and tell again after an hour', () => {
  const { rules, ...rest } = completeAlerts({})
  assert.deepEqual(
    rules.map(({ name }) => name),
    [
      ...table.map(({ rule }) => rule).slice(0, 3),
      'budget_near_limit',
      'mcp_tools_changed',
      'quota_exceeded',
    ],
  )
  for (const { renotifyMs } of rules) assert.equal(renotifyMs, 3_600_000)
  assert.deepEqual(rest, { ...defaultAlerts, channels: {}, silences: [] })
})
