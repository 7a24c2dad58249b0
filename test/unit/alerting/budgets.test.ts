// The rule on daily token budgets: fires when one is reported near its limit, ends with its day or when it rises.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeAlerts } from '../../../runtime/config/alerts.ts'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import type { AlertsDefinition } from '../../../runtime/config/alert-rules.ts'
import type { BudgetLimits } from '../../../runtime/config/fleet.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { BudgetWarned } from '../../../schemas/generated/events.ts'
import { createAlertingStage } from '../../../services/alerting/stage.ts'

const NOON = Date.UTC(2026, 10, 24, 12)
const MIDNIGHT = Date.UTC(2026, 10, 25)
const HOUR = 3_600_000

function settings(alerts: AlertsDefinition = {}, budgets: Partial<BudgetLimits> = {}) {
  const limits = { budgets: { ...defaultLimits.budgets, ...budgets } }
  return { alerts: completeAlerts(alerts), limits }
}
const start = (alerts: AlertsDefinition = {}, budgets: Partial<BudgetLimits> = {}) =>
  drive(createAlertingStage(settings(alerts, budgets)), { now: NOON })
type Driver = ReturnType<typeof start>

const fleet: BudgetWarned = {
  budget: 'the fleet',
  name: 'fleet',
  setting: 'limits.budgets.fleetTokens',
  limitTokens: 10_000_000,
  warnAtTokens: 8_000_000,
  usedTokens: null,
  resetsAtMs: MIDNIGHT,
  atMs: NOON,
}
const ann: BudgetWarned = { ...fleet, budget: 'user "ann"', name: 'user:ann' }
const user = (number: number): BudgetWarned => ({
  ...ann,
  budget: `user "u${number}"`,
  name: `user:u${number}`,
})

const warn = (driver: Driver, data: BudgetWarned) =>
  driver.send('ops.health', 'BudgetWarned', data, { key: 'fleet' })
const told = (driver: Driver) =>
  driver.emitted.flatMap(({ type, data }) =>
    type === 'AlertRaised' ? [`raised ${data.value}`] : type === 'AlertResolved' ? ['resolved'] : [],
  )

test('a budget near its limit raises a warning that names it, and is over when the day turns', () => {
  const driver = start()
  warn(driver, fleet)
  const { alertId, atMs: _, ...alert } = driver.only('AlertRaised')
  assert.deepEqual(alert, {
    rule: 'budget_near_limit',
    severity: 'warning',
    value: 1,
    threshold: 0,
    message:
      'budget_near_limit: a daily token budget is near the limit: the fleet (8,000,000 of 10,000,000 tokens are used, until 2026-11-25T00:00:00.000Z)',
    windowMs: 24 * HOUR,
    channels: ['slack'],
  })
  driver.advance(MIDNIGHT - NOON - 1)
  assert.deepEqual(driver.all('AlertResolved'), [])
  driver.advance(1)
  const over = driver.only('AlertResolved')
  assert.equal(over.alertId, alertId)
  assert.equal(over.message, 'budget_near_limit is over: no daily token budgets are near the limit')
  assert.deepEqual(driver.timers('fleet')['check'], undefined)
})

test('a budget that has too little left says what is used; its share replaces that, a rise ends it', () => {
  const driver = start()
  warn(driver, { ...fleet, usedTokens: 6_500_000 })
  assert.match(
    driver.only('AlertRaised').message,
    /: the fleet \(6,500,000 of 10,000,000 tokens are used, too few are left for what was refused, until 2026/,
  )
  warn(driver, fleet)
  driver.advance(HOUR)
  assert.match(
    driver.all('AlertRaised').at(-1)?.message ?? '',
    /: the fleet \(8,000,000 of 10,000,000 tokens are used, until/,
  )
  const risen = start({}, { fleetTokens: 20_000_000 })
  warn(risen, { ...fleet, usedTokens: 6_500_000 })
  assert.deepEqual(told(risen), [])
})

test('it is told again each hour, and at once when another budget comes near', () => {
  const driver = start()
  warn(driver, ann)
  driver.advance(HOUR - 1)
  warn(driver, ann)
  assert.deepEqual(told(driver), ['raised 1'], 'the same report again is no news')
  driver.advance(1)
  assert.deepEqual(told(driver), ['raised 1', 'raised 1'])
  driver.advance(60_000)
  warn(driver, fleet)
  assert.deepEqual(told(driver), ['raised 1', 'raised 1', 'raised 2'])
  const alerts = driver.all('AlertRaised')
  assert.equal(new Set(alerts.map(({ alertId }) => alertId)).size, 1)
  assert.match(alerts.at(-1)?.message ?? '', /^budget_near_limit: 2 daily .*: the fleet \(.*, user "ann" \(/)
})

// How the budgets are configured when alerting starts again, and whether the report of 8,000,000 tokens holds.
const risen: [string, Partial<BudgetLimits>, boolean][] = [
  ['as it was', {}, true],
  ['lower', { fleetTokens: 9_000_000 }, true],
  ['higher, and reported earlier', { fleetTokens: 10_000_001, warnAt: 0.7 }, true],
  ['higher', { fleetTokens: 10_000_002 }, false],
  ['reported later', { warnAt: 0.9 }, false],
  ['unlimited', { fleetTokens: null }, false],
  ['another one higher', { userTokens: 99_000_000, users: { ann: null } }, true],
]
for (const [how, budgets, holds] of risen)
  test(`a budget that is ${how} now: the alert ${holds ? 'lasts' : 'is over'}`, () => {
    const stage = createAlertingStage(settings())
    const before = drive(stage, { now: NOON })
    warn(before, fleet)
    const rows = before.rows('fleet')
    const after = createAlertingStage(settings({}, budgets))
    const event = {
      type: 'TimerFired',
      data: { name: 'check' },
      id: 'e',
      key: 'fleet',
      lane: 0,
      traceId: null,
    } as const
    const { emit = [] } = after.decide({ ...event, atMs: NOON + 1_000 }, rows as never, new Map() as never)
    assert.deepEqual(
      emit.map(({ type }) => type).filter((type) => type.startsWith('Alert')),
      holds ? [] : ['AlertResolved'],
    )
  })

test('a report of a day that is over, or of before the budget rose, changes nothing', () => {
  const driver = start({}, { fleetTokens: 20_000_000 })
  warn(driver, { ...fleet, resetsAtMs: NOON })
  warn(driver, fleet)
  assert.deepEqual(told(driver), [], 'the budget is twice as large by now')
  warn(driver, { ...fleet, limitTokens: 20_000_000, warnAtTokens: 16_000_000 })
  assert.deepEqual(told(driver), ['raised 1'])
  warn(driver, fleet)
  driver.advance(1_000)
  assert.deepEqual(told(driver), ['raised 1'])
})

test('many users: one alert, a message that ends, rows that stay bounded, and the fleet is among those kept', () => {
  const driver = start()
  for (let number = 0; number < 150; number++) warn(driver, user(number))
  warn(driver, fleet)
  const last = driver.all('AlertRaised').at(-1)
  assert.equal(last?.value, 100)
  assert.match(last?.message ?? '', /: the fleet .*user "u3" \(.*, 95 more$/)
  assert.ok((last?.message.length ?? 0) < 700)
  driver.advance(MIDNIGHT - NOON)
  assert.equal(driver.all('AlertResolved').length, 1)
})

test('the rule is configuration: only some budgets, more than a number of them, or not at all', () => {
  const only = start({ rules: { budget_near_limit: { pattern: '^the fleet$' } } })
  warn(only, ann)
  assert.deepEqual(told(only), [])
  warn(only, fleet)
  assert.deepEqual(told(only), ['raised 1'])
  const several = start({ rules: { budget_near_limit: { threshold: 1 } } })
  warn(several, ann)
  assert.deepEqual(told(several), [])
  warn(several, fleet)
  assert.deepEqual(told(several), ['raised 2'])
  const none = start({ rules: { budget_near_limit: false } })
  warn(none, fleet)
  assert.deepEqual([none.emitted, none.rows('fleet')], [[], {}])
})

test('of what is said of health only budgets are heard', () => {
  const health = createAlertingStage(settings()).consumes.find(({ topic }) => topic === 'ops.health')
  assert.equal(health?.accepts?.({ 'flotilla-schema': 'BudgetWarned' }), true)
  assert.equal(health?.accepts?.({}), false)
})
