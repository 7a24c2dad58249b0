import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { alertWarnings } from '../../../runtime/config/alerts.ts'
import { defineTool } from '../../../runtime/config/define.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { completeFleet, loadFleet } from '../../../runtime/config/load.ts'
import type { FleetDefinition } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { Random } from '../../../runtime/testing/simulator/random.ts'

const environment = readEnvironment({ OPENAI_API_KEY: 'k' })
const tool = (name: string) =>
  defineTool({ name, description: 'A tool.', input: z.object({}), run: () => null })

function mistakesIn(definition: unknown): string[] {
  try {
    completeFleet(definition, environment, 'flotilla.config.ts')
  } catch (error) {
    assert.ok(error instanceof FlotillaError && error.code === 'CONFIG_INVALID', String(error))
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
  }
  return []
}

test('nothing said: every default', () => {
  const fleet = completeFleet({}, environment, 'test')
  assert.deepEqual(Object.keys(fleet.models.profiles), [
    'fast',
    'accurate',
    'economy',
    'local',
    'secure',
    'throughput',
  ])
  assert.equal(fleet.limits.input.maxChars, 10_000)
  assert.deepEqual(Object.keys(fleet.agents), ['default'])
  assert.equal(fleet.models.default, 'gpt-4o')
})

test('a provider of the environment takes settings without its address; with an address it has nothing of it', () => {
  const providers = (given: FleetDefinition['models'], raw: Record<string, string>) =>
    completeFleet({ models: given }, readEnvironment(raw), 'test').models.providers
  const set = { OPENAI_API_KEY: 'k', LOCAL_BASE_URL: 'http://127.0.0.1:8080' }
  const { openai, local } = providers(
    { providers: { openai: { idleTimeoutMs: 5 }, local: { concurrency: 1, timeoutMs: 7 } } },
    set,
  )
  assert.deepEqual(openai, {
    baseUrl: 'https://api.openai.com/v1',
    keyEnv: 'OPENAI_API_KEY',
    idleTimeoutMs: 5,
  })
  assert.deepEqual(local, { baseUrl: 'http://127.0.0.1:8080/v1', concurrency: 1, timeoutMs: 7 })
  assert.deepEqual(providers({ providers: { openai: { baseUrl: 'http://other/v1' } } }, set)['openai'], {
    baseUrl: 'http://other/v1',
  })
  assert.equal(
    providers({ providers: { local: { concurrency: 1 } } }, {})['local'],
    undefined,
    'not here, no mistake',
  )
  assert.match(
    mistakesIn({
      models: { providers: { mine: { concurrency: 1 }, openai: { timeoutMs: 0, concurrency: 0.5 } } },
    }).join(),
    /openai\.concurrency: .*openai\.timeoutMs: .*models\.providers\.mine\.baseUrl: missing/,
  )
})

test('five mistakes are told at once, each with its path and what to do', () => {
  const mistakes = mistakesIn({
    agents: {
      clerk: { mode: 'magic', tools: ['nosuch'] },
      boss: { profile: 'nope' },
    },
    tools: [tool('lookup'), tool('lookup')],
    limits: { concurrency: 0 },
    modles: {},
  })
  assert.deepEqual(mistakes.map((line) => line.split(':')[0]).sort(), [
    'agents.boss.profile',
    'agents.clerk.mode',
    'agents.clerk.tools',
    'limits.concurrency',
    'modles',
    'tools.1',
  ])
  const text = mistakes.join('\n')
  assert.match(text, /agents\.clerk\.mode: .*"code"\|"tools"/)
  assert.match(text, /agents\.clerk\.tools: no tool named nosuch; there are: lookup/)
  assert.match(text, /agents\.boss\.profile: no profile named nope; there are: fast, accurate/)
  assert.match(text, /modles: there is no such setting; remove it, or see docs\/configuration\.md/)
  assert.match(text, /tools\.1: a second tool named lookup; rename one of them/)
})

test('rates of a provider, or of a model whose provider is not there, are a mistake', () => {
  const minute = { requestsPerMinute: 60 }
  const rates = (given: object) => mistakesIn({ limits: { rates: given } })
  assert.match(
    rates({ providers: { groqq: minute } }).join(),
    /rates\.providers\.groqq: no provider named groqq/,
  )
  assert.match(
    rates({ models: { 'groqq/llama': minute } }).join(),
    /rates\.models\.groqq\/llama: no provider/,
  )
  assert.match(rates({ models: { 'gpt-4o': { requests: 1 } } }).join(), /there is no such setting/)
  assert.deepEqual(rates({ models: { 'gpt-4o': minute }, providers: { openai: minute } }), [])
})

test('an agent has a name by which a task can call it', () => {
  const named = (agent: string) => mistakesIn({ agents: { [agent]: {} } }).join()
  assert.equal(named('Berater für Köln'), '')
  assert.match(named('help\u200ber'), /agents.*agent has an invisible character, \\u\{200b\}/)
  assert.match(named('a\u0000'), /agents.*agent has a control character/)
  assert.match(named('x'.repeat(201)), /agents.*1 to 200 characters/)
})

test('what is no fleet at all is a mistake, not a crash', () => {
  const wrong: unknown[] = [null, undefined, 1, 'x', [], () => {}, { agents: null }, { agents: { a: null } }]
  wrong.push({ tools: [null, 1, {}] }, { models: 'x' }, { models: { providers: null, prices: {} } })
  wrong.push({ limits: null }, { limits: { input: { forbiddenPatterns: ['('] } } })
  wrong.push({ agents: { a: { outputSchema: { type: 'nonsense' } } } })
  for (const definition of wrong) assert.ok(mistakesIn(definition).length > 0, JSON.stringify(definition))
})

test('random junk anywhere: mistakes or a fleet, never another error', () => {
  const random = new Random(7)
  const names = ['agents', 'tools', 'models', 'limits', 'alerts', 'default', 'profiles', 'providers', 'input']
  names.push('tools', 'profile', 'mode', 'executor', 'baseUrl', 'keyEnv', 'spec', 'x', '__proto__')
  const junk = (depth: number): unknown => {
    const kind = random.between(0, depth > 4 ? 4 : 6)
    if (kind === 5) return Array.from({ length: random.between(0, 3) }, () => junk(depth + 1))
    if (kind !== 6) return [null, 1, -1.5, 'text', true][kind]
    return Object.fromEntries(
      Array.from({ length: random.between(0, 4) }, () => [random.pick(names), junk(depth + 1)]),
    )
  }
  for (let round = 0; round < 2_000; round++) {
    const top = ['agents', 'tools', 'models', 'limits'].map((name) => [name, junk(1)])
    mistakesIn(Object.fromEntries(top.filter(() => random.chance(0.6))))
  }
})

test('a configuration in a form that is not read is not passed over, and one of CommonJS is read', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-config-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const load = () => loadFleet(readEnvironment({}), directory)
  writeFileSync(join(directory, 'flotilla.config.json'), '{}')
  await assert.rejects(load(), {
    code: 'CONFIG_INVALID',
    message: /flotilla\.config\.json: a configuration is a module/,
  })
  writeFileSync(
    join(directory, 'flotilla.config.cjs'),
    "const { defineFleet } = require('flotilla')\nmodule.exports = defineFleet({ agents: { asker: { mode: 'tools' } } })\n",
  )
  assert.deepEqual(Object.keys((await load()).agents), ['asker'])
  mkdirSync(join(directory, 'flotilla.config.ts'))
  await assert.rejects(load(), { code: 'CONFIG_INVALID', message: /flotilla\.config\.ts: it is a directory/ })
})

test('a file that is missing, broken, or exports nothing says which file and what to do', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-config-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const load = (text: string | null, name: string) => {
    if (text !== null) writeFileSync(join(directory, name), text)
    return loadFleet(readEnvironment({ FLOTILLA_CONFIG: name }), directory)
  }
  const invalid = (message: RegExp) => ({ code: 'CONFIG_INVALID', message })
  await assert.rejects(
    load(null, 'gone.ts'),
    invalid(/FLOTILLA_CONFIG names .*gone\.ts, which does not exist/),
  )
  await assert.rejects(
    load('export const x = 1', 'none.ts'),
    invalid(/none\.ts: it has no default export; write: export default defineFleet/),
  )
  await assert.rejects(load('export default {', 'syntax.ts'), invalid(/syntax\.ts: /))
  await assert.rejects(
    load('throw new Error("no licence")', 'throws.ts'),
    invalid(/throws\.ts:1:7: no licence/),
  )
})

test('a tool that is defined wrongly says so by name', () => {
  const define = () =>
    defineTool({ name: 'for', description: ' ', input: z.object({}), retries: 2, run: () => null })
  assert.throws(define, {
    code: 'CONFIG_INVALID',
    message: /tool 'for': name is a keyword of Python.*description must say.*retries needs idempotent/,
  })
})

test('mistakes under alerts are told with all others', () => {
  const mistakes = mistakesIn({
    modles: {},
    alerts: {
      rules: {
        high_latency: { treshold: 1, threshold: 'x' },
        mine: {
          measure: 'errors_matching',
          pattern: '(',
          threshold: 0,
          windowMs: 1_000,
          severity: 'critical',
        },
        high_error_rate: false,
      },
      channels: { log: { type: 'slack' }, a: { type: 'telegram' }, b: { type: 'webhook', url: 'nowhere' } },
      silences: [
        { rule: 'high_error_rate', until: '2026-01-01T00:00Z' },
        { rule: 'mine', until: 'later' },
        5,
      ],
      tries: 0,
    },
  })
  assert.deepEqual(mistakes.map((line) => line.split(': ')[0]).sort(), [
    'alerts.channels.a.type',
    'alerts.channels.b.url',
    'alerts.channels.log',
    'alerts.rules.high_latency.threshold',
    'alerts.rules.high_latency.treshold',
    'alerts.rules.mine.channels',
    'alerts.rules.mine.pattern',
    'alerts.silences.0.rule',
    'alerts.silences.1.until',
    'alerts.silences.2',
    'alerts.tries',
    'modles',
  ])
})

test('what no channel can be told is a warning, not a mistake', () => {
  const warningsOf = (definition: unknown, env: Record<string, string> = {}) =>
    alertWarnings(completeFleet(definition, environment, 'test').alerts, env)
  const slackOnly = { alerts: { channels: { slack: { type: 'slack' } } } }
  const warnings = warningsOf(slackOnly)
  assert.equal(warnings.length, 3, warnings.join('\n'))
  assert.match(
    warnings[0] ?? '',
    /channel pagerduty \(of high_error_rate, mcp_tools_changed, quota_exceeded\) is not configured: add alerts.channels.pagerduty/,
  )
  assert.match(warnings[2] ?? '', /channel slack can't be notified: SLACK_WEBHOOK_URL is not set/)
  assert.equal(warningsOf(slackOnly, { SLACK_WEBHOOK_URL: 'https://hooks.slack.com/x' }).length, 2)
  assert.deepEqual(warningsOf({}), [], 'whoever has not begun with channels is not nagged')
  const own = { alerts: { rules: { high_latency: { channels: ['ops'] } } } }
  assert.match(warningsOf(own).join(), /^channel ops \(of high_latency\)/)
})

test('an issuer of tokens: taken as given; its mistakes have their paths', () => {
  const jwt = { issuer: 'https://login.example.org', audience: ['a', 'b'], algorithms: ['ES256' as const] }
  assert.deepEqual(completeFleet({ gateway: { jwt } }, environment, 'test').gateway, { jwt })
  assert.equal(completeFleet({}, environment, 'test').gateway, undefined)
  const local = { issuer: 'http://127.0.0.1:8080/realms/x', audience: 'a' }
  assert.deepEqual(mistakesIn({ gateway: { jwt: local } }), [])
  const wrong = {
    issuer: 'http://login.example.org',
    audience: [],
    algorithms: ['HS256'],
    clockToleranceMs: -1,
    issuers: 1,
  }
  const mistakes = mistakesIn({ gateway: { jwt: wrong } }).join('\n')
  assert.match(mistakes, /gateway\.jwt\.issuer: must be a URL that begins with https/)
  assert.match(mistakes, /gateway\.jwt\.audience/)
  assert.match(mistakes, /gateway\.jwt\.algorithms\.0: must be one of RS256/)
  assert.match(mistakes, /gateway\.jwt\.clockToleranceMs/)
  assert.match(mistakes, /gateway\.jwt\.issuers: there is no such setting/)
})

test('compaction is checked: by the fleet and by the agent', () => {
  const wrong = { strategy: 'forget', at: 1.5, atTokens: 10, keepRecent: 0, other: 1 }
  const mistakes = mistakesIn({ compaction: wrong, agents: { a: { compaction: wrong } } })
  for (const path of ['compaction', 'agents.a.compaction'])
    for (const key of Object.keys(wrong))
      assert.ok(
        mistakes.some((mistake) => mistake.startsWith(`${path}.${key}: `)),
        `${path}.${key} is not named in ${mistakes.join('; ')}`,
      )
  const right = { strategy: 'trim', at: 0.5, atTokens: 1_000, keepRecent: 1 } as const
  assert.deepEqual(completeFleet({ compaction: right }, environment, 'test').compaction, right)
})

test('a task may be given up to 10,000 steps and 30 days, and not more', () => {
  const most = { maxSteps: 10_000, timeoutMs: 30 * 86_400_000 }
  assert.deepEqual(mistakesIn({ overrides: most }), [])
  const mistakes = mistakesIn({ overrides: { maxSteps: 10_001, timeoutMs: most.timeoutMs + 1 } })
  assert.deepEqual(
    mistakes.map((mistake) => mistake.split(':')[0]),
    ['overrides.maxSteps', 'overrides.timeoutMs'],
  )
})
