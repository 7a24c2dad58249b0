// The rule on tools of MCP servers that changed: fires at the first refused call, ends a while after the last one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeAlerts } from '../../../runtime/config/alerts.ts'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import type { AlertsDefinition } from '../../../runtime/config/alert-rules.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import { createAlertingStage } from '../../../services/alerting/stage.ts'

const NOON = Date.UTC(2026, 10, 24, 12)
const WINDOW = 900_000

const start = (alerts: AlertsDefinition = {}) =>
  drive(createAlertingStage({ alerts: completeAlerts(alerts), limits: defaultLimits }), { now: NOON })
type Driver = ReturnType<typeof start>

const change = (driver: Driver, tool: string, agoMs = 0) => {
  const data = { server: 'srv', tool, how: `srv.${tool} is other`, taskId: 't', atMs: driver.now - agoMs }
  driver.send('ops.health', 'McpToolChanged', data, { key: 'fleet' })
}
const messages = (driver: Driver) =>
  driver.emitted.flatMap(({ type, data }) =>
    type === 'AlertRaised' || type === 'AlertResolved' ? [data.message] : [],
  )

test('the first refused call raises a critical alert that names the tool; another tool is news; silence ends it', () => {
  const driver = start({ channels: { slack: { type: 'slack' } } })
  change(driver, 'add')
  const { rule, severity, channels, value } = driver.only('AlertRaised')
  assert.deepEqual(
    [rule, severity, channels, value],
    ['mcp_tools_changed', 'critical', ['pagerduty', 'slack'], 1],
  )
  driver.advance(WINDOW - 60_000)
  change(driver, 'add')
  assert.equal(messages(driver).length, 1, 'the same tool is no news')
  change(driver, 'sub')
  change(driver, 'sub', 300_000)
  driver.advance(WINDOW - 1)
  assert.deepEqual(messages(driver), [
    'mcp_tools_changed: 1 pinned tool of MCP servers changed: srv.add is other',
    'mcp_tools_changed: 2 pinned tools of MCP servers changed: srv.sub is other; srv.add is other',
  ])
  driver.advance(1)
  assert.equal(messages(driver).at(-1), 'mcp_tools_changed is over: no pinned tools of MCP servers changed')
})

test('a pattern limits it to tools; without the rule nothing is kept', () => {
  const only = start({ rules: { mcp_tools_changed: { pattern: '^srv\\.a' } } })
  change(only, 'sub')
  assert.deepEqual(messages(only), [])
  change(only, 'add')
  assert.equal(messages(only).length, 1)
  const none = start({ rules: { mcp_tools_changed: false } })
  change(none, 'add')
  assert.deepEqual(none.rows('fleet'), {})
})
