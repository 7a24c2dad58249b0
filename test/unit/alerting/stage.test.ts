import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeAlerts } from '../../../runtime/config/alerts.ts'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import type { AlertsDefinition } from '../../../runtime/config/alert-rules.ts'
import { failure } from '../../../runtime/errors.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { EventMap } from '../../../runtime/stage.ts'
import { createAlertingStage } from '../../../services/alerting/stage.ts'
import { BUCKET_MS, LATE_MS } from '../../../services/alerting/tally.ts'
import { completed } from '../metering/events.ts'

/** When the tally of this second is passed on. */
const TALLIED_MS = BUCKET_MS + LATE_MS
const START = 1_750_000_000_000
const start = (alerts: AlertsDefinition = {}) =>
  drive(createAlertingStage({ limits: defaultLimits, alerts: completeAlerts(alerts) }), { now: START })
type Driver = ReturnType<typeof start>

const finish = (driver: Driver, change: Partial<EventMap['TaskCompleted']> = {}) =>
  driver.send('tasks.completed', 'TaskCompleted', completed(change))
const failed = { status: 'failed' as const, error: failure('TOOL_FAILED', 'no') }

const tally = (
  change: Partial<EventMap['OutcomesTallied']> = {},
  driver: Driver,
): EventMap['OutcomesTallied'] => ({
  bucketMs: Math.floor(driver.now / 1_000) * 1_000,
  lane: 0,
  succeeded: 0,
  failed: 0,
  tokens: 0,
  executionTimesMs: [],
  errors: [],
  quality: null,
  satisfaction: null,
  ...change,
})
const watch = (driver: Driver, change: Partial<EventMap['OutcomesTallied']>) =>
  driver.send('outcomes.tallied', 'OutcomesTallied', tally(change, driver), { key: 'fleet' })
const wait = (driver: Driver, ms: number) => driver.advance(ms)
const raised = (driver: Driver) => driver.all('AlertRaised').map(({ rule }) => rule)
const resolved = (driver: Driver) => driver.all('AlertResolved').map(({ rule }) => rule)

test('a lane tallies its tasks and passes the tally on when their second and half of the next are over', () => {
  const driver = start()
  finish(driver)
  finish(driver, { ...failed, executionTime: 40 })
  finish(driver, { ...failed, executionTime: 50 })
  finish(driver, { status: 'rejected', error: failure('TASK_INVALID', 'bad') })
  assert.equal(driver.emitted.length, 0)
  const [emitted] = driver.advance(TALLIED_MS)
  assert.deepEqual(
    [emitted?.key, emitted?.data],
    [
      'fleet',
      {
        bucketMs: START,
        lane: 0,
        succeeded: 1,
        failed: 2,
        tokens: 480,
        executionTimesMs: [1_500, 40, 50],
        errors: ['TOOL_FAILED: no'],
        quality: null,
        satisfaction: null,
      },
    ],
  )
  assert.deepEqual([driver.rows('lane-0'), driver.timers('lane-0')], [{}, {}])
})

test('a result that is read after its second is over joins the tally of its second', () => {
  const driver = start()
  finish(driver)
  assert.deepEqual(driver.advance(BUCKET_MS), [])
  driver.now = START + BUCKET_MS - 1
  finish(driver)
  driver.advance(TALLIED_MS)
  assert.deepEqual(
    driver.all('OutcomesTallied').map(({ bucketMs, succeeded }) => [bucketMs, succeeded]),
    [[START, 2]],
  )
})

test('a tally that is full is passed on early, and nothing is left out', () => {
  const driver = start()
  for (let i = 0; i < 501; i++) finish(driver)
  for (let i = 0; i < 20; i++) finish(driver, { ...failed, error: failure('TOOL_FAILED', `no ${i}`) })
  driver.advance(TALLIED_MS)
  const tallies = driver.all('OutcomesTallied')
  assert.deepEqual(
    tallies.map((one) => [one.succeeded, one.failed, one.errors.length]),
    [
      [500, 0, 0],
      [1, 20, 20],
    ],
  )
})

test('an error rate above 5 % of at least 20 tasks fires once, for its channels', () => {
  const driver = start()
  watch(driver, { succeeded: 17, failed: 2 })
  assert.deepEqual(raised(driver), [], '19 tasks are too few')
  watch(driver, { succeeded: 1 })
  watch(driver, { succeeded: 1 })
  const alert = driver.only('AlertRaised')
  assert.deepEqual(
    [alert.rule, alert.severity, alert.channels, alert.value],
    ['high_error_rate', 'critical', ['pagerduty', 'slack'], 0.1],
  )
  assert.match(alert.message, /10.0 % of tasks failed in 300 s, above 5.0 %/)
  assert.equal(driver.emitted[0]?.key, 'high_error_rate')
})

test('5 % exactly does not fire', () => {
  const driver = start()
  watch(driver, { succeeded: 95, failed: 5 })
  assert.deepEqual(raised(driver), [])
  watch(driver, { failed: 1 })
  assert.deepEqual(raised(driver), ['high_error_rate'])
})

test('an alert resolves when its window has passed, although nothing happens', () => {
  const driver = start()
  watch(driver, { succeeded: 18, failed: 2 })
  wait(driver, 280_000)
  assert.deepEqual(resolved(driver), [])
  wait(driver, 30_000)
  assert.deepEqual(resolved(driver), ['high_error_rate'])
  assert.equal(driver.only('AlertResolved').alertId, driver.only('AlertRaised').alertId)
  assert.deepEqual(driver.timers('fleet'), {})
})

test('an alert that fires again after it resolved is another alert', () => {
  const driver = start()
  watch(driver, { succeeded: 18, failed: 2 })
  watch(driver, { succeeded: 100 })
  assert.deepEqual(resolved(driver), ['high_error_rate'])
  driver.advance(TALLIED_MS)
  watch(driver, { failed: 50 })
  const [first, second] = driver.all('AlertRaised')
  assert.ok(first && second && first.alertId !== second.alertId)
})

test('an alert that lasts is raised again after its time, under its id', () => {
  const driver = start({ rules: { high_error_rate: { renotifyMs: 60_000 } } })
  for (let second = 0; second < 125; second += 5) {
    watch(driver, { succeeded: 10, failed: 10 })
    wait(driver, 5_000)
  }
  const alerts = driver.all('AlertRaised')
  assert.equal(alerts.length, 3)
  assert.equal(new Set(alerts.map((alert) => alert.alertId)).size, 1)
})

test('latency is the p95 of its window', () => {
  const driver = start()
  const times = (slow: number) => [
    ...new Array<number>(100 - slow).fill(900),
    ...new Array<number>(slow).fill(40_000),
  ]
  watch(driver, { succeeded: 100, executionTimesMs: times(5) })
  watch(driver, { succeeded: 100, executionTimesMs: new Array<number>(100).fill(30_000) })
  assert.deepEqual(raised(driver), [])
  driver.advance(61_000)
  watch(driver, { succeeded: 100, executionTimesMs: times(6) })
  const { rule, value } = driver.only('AlertRaised')
  assert.equal(rule, 'high_latency')
  assert.ok(value <= 40_000 && value > 39_200, `${value}`)
})

test('tokens add up over a day', () => {
  const driver = start()
  watch(driver, { tokens: 600_000 })
  wait(driver, 20 * 3_600_000)
  watch(driver, { tokens: 400_000 })
  assert.deepEqual(raised(driver), [], 'a million is the limit')
  watch(driver, { tokens: 1 })
  assert.deepEqual(raised(driver), ['high_token_usage'])
  wait(driver, 5 * 3_600_000)
  assert.deepEqual(resolved(driver), ['high_token_usage'])
})

test('one error that matches quota fires at once', () => {
  const driver = start()
  finish(driver, { status: 'failed', error: failure('MODEL_QUOTA_EXCEEDED', 'no credit') })
  driver.advance(TALLIED_MS)
  const [found] = driver.all('OutcomesTallied')
  assert.ok(found)
  watch(driver, found)
  assert.deepEqual(raised(driver), ['quota_exceeded'])
  assert.deepEqual(driver.only('AlertRaised').channels, ['pagerduty', 'email'])
})

test('what is older than a window is left out, and rows stay bounded', () => {
  const driver = start()
  watch(driver, { bucketMs: START - 301_000, failed: 100 })
  assert.deepEqual(raised(driver), [])
  for (let i = 0; i < 2_000; i++) {
    driver.advance(1_000)
    watch(driver, { succeeded: 1, executionTimesMs: [100] })
  }
  assert.ok(Object.keys(driver.rows('fleet')).length <= 4 * 25)
})

test('rules are configuration: changed, left out, added', () => {
  const slow = {
    measure: 'latency_p95_ms',
    threshold: 10,
    windowMs: 60_000,
    severity: 'warning',
    channels: [],
  } as const
  const driver = start({ rules: { high_error_rate: false, slow: { ...slow, channels: [] } } })
  watch(driver, { failed: 100, executionTimesMs: [50] })
  assert.deepEqual(raised(driver), ['slow'])
})

test('a result that comes late counts in its own time', () => {
  const driver = start()
  watch(driver, { succeeded: 18, failed: 1 })
  driver.advance(200_000)
  watch(driver, { bucketMs: START, failed: 1 })
  assert.deepEqual(raised(driver), ['high_error_rate'])
  driver.advance(90_000)
  assert.deepEqual(resolved(driver), [])
  driver.advance(20_000)
  assert.deepEqual(resolved(driver), ['high_error_rate'], 'it left the window with those of its time')
})

test('a mean of scores fires below its threshold, with enough scores, and ends when they are better or gone', () => {
  const rule = { threshold: 0.8, windowMs: 60_000, minTasks: 3, severity: 'warning' as const, channels: [] }
  const quality = { ...rule, measure: 'quality_mean' as const }
  const driver = start({ rules: { quality, liked: { ...quality, measure: 'satisfaction_mean' } } })
  watch(driver, { quality: 0.5 })
  watch(driver, { quality: 0.5 })
  // Outcomes of tasks are no scores.
  watch(driver, { succeeded: 50 })
  assert.deepEqual(raised(driver), [])
  watch(driver, { quality: 0.9 })
  assert.deepEqual(raised(driver), ['quality'])
  assert.match(
    driver.all('AlertRaised')[0]?.message ?? '',
    /mean quality of scored tasks was 0\.63 in 60 s, below 0\.80/,
  )
  for (let score = 0; score < 4; score++) watch(driver, { quality: 1 })
  assert.deepEqual(resolved(driver), ['quality'])
  for (let score = 0; score < 3; score++) watch(driver, { satisfaction: 0 })
  assert.deepEqual(raised(driver), ['quality', 'liked'])
  wait(driver, 62_000)
  assert.deepEqual(resolved(driver), ['quality', 'liked'], 'no scores are no bad ones')
})
