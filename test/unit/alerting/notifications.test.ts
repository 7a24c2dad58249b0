// Who is told of an alert, when, and what becomes of a notification.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeAlerts } from '../../../runtime/config/alerts.ts'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import type { AlertsDefinition } from '../../../runtime/config/alert-rules.ts'
import { drive, type StageDriver } from '../../../runtime/testing/stage-driver.ts'
import type { EventMap } from '../../../runtime/stage.ts'
import { createAlertingStage } from '../../../services/alerting/stage.ts'
import type { Notice } from '../../../services/alerting/events.ts'

const START = 1_750_000_000_000
const MINUTE = 60_000
const channels = { pagerduty: { type: 'pagerduty' }, slack: { type: 'slack' } } as const
const start = (alerts: AlertsDefinition = {}) =>
  drive(createAlertingStage({ limits: defaultLimits, alerts: completeAlerts({ channels, ...alerts }) }), {
    now: START,
  })

const tally = (driver: StageDriver, change: Partial<EventMap['OutcomesTallied']>) =>
  driver.send(
    'outcomes.tallied',
    'OutcomesTallied',
    {
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
    },
    { key: 'fleet' },
  )
const fail = (driver: StageDriver) => tally(driver, { failed: 30 })
const recover = (driver: StageDriver) => tally(driver, { succeeded: 2_000 })
const slow = (driver: StageDriver) => tally(driver, { succeeded: 1, executionTimesMs: [50_000] })

/** What a channel is asked to be told, in order: `FIRING rule`. */
const told = (driver: StageDriver, channel: string) =>
  driver
    .all('NotificationRequested')
    .filter((request) => request.channel === channel)
    .map(({ notices }) => (notices as unknown as Notice[]).map(({ kind, rule }) => `${kind} ${rule}`))

test('an alert goes to its channels after a moment, and to the log at once', () => {
  const driver = start()
  fail(driver)
  assert.deepEqual(told(driver, 'log'), [['raised high_error_rate']])
  assert.deepEqual(told(driver, 'slack'), [])
  driver.advance(2_000)
  assert.deepEqual(
    [told(driver, 'slack'), told(driver, 'pagerduty')],
    [[['raised high_error_rate']], [['raised high_error_rate']]],
  )
})

test('alerts that come close together are one notification, and a channel is not told too often', () => {
  const driver = start()
  fail(driver)
  driver.advance(500)
  slow(driver)
  driver.advance(1_500)
  assert.deepEqual(told(driver, 'slack'), [['raised high_error_rate', 'raised high_latency']])
  assert.deepEqual(told(driver, 'pagerduty'), [['raised high_error_rate']])
  recover(driver)
  driver.advance(29_000)
  assert.equal(told(driver, 'slack').length, 1)
  driver.advance(1_000)
  assert.deepEqual(told(driver, 'slack')[1], ['resolved high_error_rate'])
})

test('a channel that nobody configured is not asked; topic and log have the alert', () => {
  const driver = start({ channels: {} })
  fail(driver)
  driver.advance(5 * MINUTE)
  assert.deepEqual(
    driver.all('AlertRaised').map(({ rule }) => rule),
    ['high_error_rate'],
  )
  assert.deepEqual([...new Set(driver.all('NotificationRequested').map(({ channel }) => channel))], ['log'])
})

const silence = (driver: StageDriver, rule: string, forMs: number) =>
  driver.send(
    'alerts.control',
    'AlertSilenced',
    { rule, untilMs: driver.now + forMs, reason: null, by: 'bo', atMs: driver.now },
    { key: 'fleet' },
  )

test('a silent rule is raised on the topic, and told when the silence ends and it still lasts', () => {
  const driver = start()
  silence(driver, 'high_error_rate', 2 * MINUTE)
  fail(driver)
  driver.advance(MINUTE)
  assert.equal(driver.all('AlertRaised').length, 1)
  assert.deepEqual(told(driver, 'slack'), [])
  driver.advance(MINUTE + 2_000)
  assert.deepEqual(told(driver, 'slack'), [['raised high_error_rate']])
  assert.equal(new Set(driver.all('AlertRaised').map(({ alertId }) => alertId)).size, 1)
})

test('what begins and ends in silence is never told; what was told before it, is told to be over', () => {
  const quiet = start()
  silence(quiet, 'high_error_rate', 60 * MINUTE)
  fail(quiet)
  recover(quiet)
  quiet.advance(90 * MINUTE)
  assert.deepEqual(told(quiet, 'slack'), [])
  const loud = start()
  fail(loud)
  loud.advance(MINUTE)
  silence(loud, 'high_error_rate', 60 * MINUTE)
  recover(loud)
  loud.advance(MINUTE)
  assert.deepEqual(told(loud, 'slack'), [['raised high_error_rate'], ['resolved high_error_rate']])
})

test('a silence that is ended early tells at once; one of the configuration holds its time', () => {
  const driver = start()
  silence(driver, 'high_error_rate', 60 * MINUTE)
  fail(driver)
  silence(driver, 'high_error_rate', -1)
  driver.advance(2_000)
  assert.deepEqual(told(driver, 'slack'), [['raised high_error_rate']])
  assert.equal(
    Object.keys(driver.rows('fleet')).some((row) => row.startsWith('silence:')),
    false,
  )
  const until = new Date(START + 2 * MINUTE).toISOString()
  const configured = start({ silences: [{ rule: 'high_error_rate', until }] })
  fail(configured)
  configured.advance(MINUTE)
  assert.deepEqual(told(configured, 'slack'), [])
  configured.advance(MINUTE + 2_000)
  assert.deepEqual(told(configured, 'slack'), [['raised high_error_rate']])
})

const notice: Notice = {
  kind: 'raised',
  alertId: 'high_error_rate-1',
  rule: 'high_error_rate',
  severity: 'critical',
  value: 0.5,
  threshold: 0.05,
  message: 'high_error_rate: 50.0 % of tasks failed in 300 s, above 5.0 %',
  runbook: null,
  atMs: START,
}
const request = (driver: StageDriver, change: Partial<EventMap['NotificationRequested']> = {}) => {
  const data = {
    notificationId: 'n1',
    channel: 'slack',
    notices: [{ ...notice }],
    testId: null,
    atMs: START,
    ...change,
  }
  driver.send('alerts.notifications', 'NotificationRequested', data, { key: 'fleet' })
}
const KEY = 'fleet/n1'

test('a notification is a journalled call under a key of its own, and its end is on the topic', () => {
  const driver = start()
  request(driver)
  const call = driver.pendingCallOf(KEY)
  assert.deepEqual(
    [call?.kind, call?.target, call?.journalled ?? true, call?.idempotent],
    ['notify', 'slack', true, true],
  )
  driver.answer('200 ok', { key: KEY })
  const { status, answer, tries, alerts } = driver.only('NotificationEnded')
  assert.deepEqual([status, answer, tries, alerts], ['delivered', '200 ok', 1, ['high_error_rate-1']])
  assert.deepEqual([driver.rows(KEY), driver.timers(KEY)], [{}, {}])
})

test('while one notification waits for its channel, alerts and other notifications go on', () => {
  const driver = start()
  request(driver)
  fail(driver)
  assert.equal(driver.all('AlertRaised').length, 1)
  request(driver, { notificationId: 'n2', channel: 'pagerduty' })
  driver.answer('202', { key: 'fleet/n2' })
  assert.equal(driver.only('NotificationEnded').channel, 'pagerduty')
})

/** Makes the alert of the notification one that is under way. */
const under = (driver: StageDriver) => {
  fail(driver)
  const { alertId } = driver.only('AlertRaised')
  return [{ ...notice, alertId }]
}

test('what may pass is tried again, the waits doubling; after the last try it is a dead letter with its reason', () => {
  const driver = start({ tries: 4, retryMs: 1_000, rules: { high_error_rate: { windowMs: 3_600_000 } } })
  request(driver, { notices: under(driver) })
  const waits: number[] = []
  for (let tries = 1; tries <= 4; tries++) {
    assert.ok(driver.pendingCallOf(KEY), `try ${tries} is made`)
    driver.fail('CHANNEL_UNAVAILABLE', { key: KEY })
    const dueMs = driver.timers(KEY)['retry']
    if (dueMs === undefined) break
    waits.push(dueMs - driver.now)
    driver.advance(dueMs - driver.now)
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000])
  const letter = driver.only('DeadLettered')
  assert.deepEqual(
    [letter.code, letter.attempts, letter.sourceTopic],
    ['CHANNEL_UNAVAILABLE', 4, 'alerts.notifications'],
  )
  assert.equal(driver.only('NotificationEnded').status, 'failed')
  const again = JSON.parse(new TextDecoder().decode(letter.value)) as EventMap['NotificationRequested']
  assert.deepEqual([again.notificationId, again.channel], ['n1', 'slack'])
  assert.deepEqual([driver.rows(KEY), driver.timers(KEY)], [{}, {}])
})

test('a channel is waited for as long as it says, at most five minutes; a refusal is not tried again', () => {
  const driver = start({ rules: { high_error_rate: { windowMs: 3_600_000 } } })
  request(driver, { notices: under(driver) })
  const busy = { code: 'CHANNEL_UNAVAILABLE', severity: 'degraded', retryable: true, message: '429' } as const
  driver.fail({ ...busy, retryAfterMs: 45_000 }, { key: KEY })
  assert.equal((driver.timers(KEY)['retry'] ?? 0) - driver.now, 45_000)
  driver.advance(45_000)
  driver.fail({ ...busy, retryAfterMs: 9_999_999 }, { key: KEY })
  assert.equal((driver.timers(KEY)['retry'] ?? 0) - driver.now, 300_000)
  driver.advance(300_000)
  driver.fail('CHANNEL_REFUSED', { key: KEY })
  assert.deepEqual(
    [driver.only('DeadLettered').attempts, driver.only('NotificationEnded').status],
    [3, 'failed'],
  )
})

test('a raise that waits for its next try is dropped when its alert is over', () => {
  const driver = start()
  request(driver, { notices: under(driver) })
  driver.fail('CHANNEL_UNAVAILABLE', { key: KEY })
  recover(driver)
  driver.advance(MINUTE)
  assert.equal(driver.pendingCallOf(KEY), null)
  assert.equal(driver.only('NotificationEnded').status, 'dropped')
  assert.deepEqual([driver.rows(KEY), driver.all('DeadLettered')], [{}, []])
})

test('a test goes to each channel of the rule by itself, past silences; one try, and no dead letter', () => {
  const driver = start({ channels: { slack: channels.slack } })
  silence(driver, 'high_error_rate', MINUTE)
  driver.send(
    'alerts.control',
    'AlertTested',
    { testId: 'x1', rule: 'high_error_rate', atMs: START },
    { key: 'fleet' },
  )
  const asked = driver.all('NotificationRequested')
  assert.deepEqual(
    asked.map(({ channel, testId }) => [channel, testId]),
    [
      ['log', 'x1'],
      ['slack', 'x1'],
    ],
  )
  assert.match(
    driver.only('NotificationEnded').answer,
    /CHANNEL_NOT_CONFIGURED: add alerts.channels.pagerduty/,
  )
  request(driver, asked[1])
  driver.fail('CHANNEL_UNAVAILABLE', { key: 'fleet/x1-slack' })
  assert.deepEqual(driver.all('NotificationEnded')[1]?.status, 'failed')
  assert.deepEqual(driver.all('DeadLettered'), [])
  driver.send(
    'alerts.control',
    'AlertTested',
    { testId: 'x2', rule: 'nosuch', atMs: START },
    { key: 'fleet' },
  )
  assert.match(
    driver.all('NotificationEnded')[2]?.answer ?? '',
    /no alert rule named nosuch; there are: high_error_rate/,
  )
})
