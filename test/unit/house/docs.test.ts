// The pages say what is true: generated ones are in step, and the others name every variable, key, file and topic there is.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { describeServices, drift } from '../../../docs/generate.ts'
import { defaultAlerts } from '../../../runtime/config/alerts.ts'
import { defineTool } from '../../../runtime/config/define.ts'
import { defaultLimits, defaultTask } from '../../../runtime/config/defaults.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { defaultTelemetry } from '../../../runtime/config/recording.ts'
import { completeFleet, loadFleet } from '../../../runtime/config/load.ts'
import { errorTable } from '../../../runtime/errors.ts'
import { discoverModels } from '../../../runtime/models/discovery.ts'
import { parseModule } from './module.ts'
import { deadLinks, defaultsIn, isPage, keysOf, missingFrom, snippetsIn, variablesOf } from './rules-docs.ts'
import { isTypeScript, root, textFiles } from './tree.ts'

// The name of the package leads to what is built; here it leads to the sources.
registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier === 'flotilla' ? pathToFileURL(join(root, 'client/index.ts')).href : specifier, context),
})

const files = textFiles()
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const exists = (path: string): boolean => existsSync(join(root, path))
const configuration = read('docs/configuration.md')
const module = (path: string) => parseModule({ path, text: read(path) })

test('generated pages are in step; if not: npm run generate', async () => {
  assert.deepEqual(await drift(), [])
})

describe('docs/configuration.md', () => {
  const codes = new Set(Object.keys(errorTable))

  test('names every environment variable that is read', () => {
    const variables = variablesOf(files.filter(isTypeScript), codes)
    assert.ok(variables.length > 25, variables.join())
    assert.deepEqual(missingFrom(configuration, variables), [])
    const unknown = { path: 'runtime/a.ts', text: `raw['FLOTILLA_NEW'] ?? { KAFKA_NEW: 1 }` }
    assert.deepEqual(missingFrom(configuration, variablesOf([unknown], codes)), ['FLOTILLA_NEW', 'KAFKA_NEW'])
  })

  test('names the variables of every hosted provider', () => {
    const providers = Object.keys(discoverModels({}).providers).map((name) => name.toUpperCase())
    assert.ok(providers.includes('OPENAI'))
    const names = providers.flatMap((name) => [`${name}_API_KEY`, `${name}_BASE_URL`, `${name}_MODEL`])
    assert.deepEqual(missingFrom(configuration, names), [])
  })

  test('gives the defaults of the environment', () => {
    const environment = readEnvironment({ FLOTILLA_DATA: '' })
    const written = defaultsIn(configuration)
    const fields = {
      PORT: 'port',
      HOST: 'host',
      LOG_LEVEL: 'logLevel',
      FLOTILLA_PREFIX: 'prefix',
      FLOTILLA_PARTITIONS: 'partitions',
      FLOTILLA_DRAIN_MS: 'drainMs',
      FLOTILLA_SESSION_TIMEOUT_MS: 'sessionTimeoutMs',
      FLOTILLA_TRANSACTION_TIMEOUT_MS: 'transactionTimeoutMs',
      FLOTILLA_DURABILITY: 'durability',
      FLOTILLA_ALLOW_NO_MODEL: 'allowNoModel',
      FLOTILLA_ALLOW_VOLATILE_STORE: 'allowVolatileStore',
    } as const
    for (const [name, field] of Object.entries(fields))
      assert.equal(written.get(name), String(environment[field]), name)
  })

  test('names every key of the configuration file', () => {
    const fleet = module('runtime/config/fleet.ts')
    const recording = module('runtime/config/recording.ts')
    const own = ['AgentDefinition', 'ToolDefinition'].flatMap((name) => keysOf(fleet, name))
    const under = (name: string, prefix: string) => keysOf(fleet, name).map((key) => `${prefix}.${key}`)
    const keys = [
      ...own,
      ...under('Profile', 'profiles.<name>'),
      ...under('ProviderDefinition', 'providers.<name>'),
      ...under('Price', 'prices[]'),
      ...keysOf(recording, 'MeteringDefinition'),
      ...keysOf(recording, 'TelemetryDefinition'),
      ...Object.entries(defaultLimits).flatMap(([key, value]) =>
        typeof value === 'object' ? Object.keys(value).map((inner) => `${key}.${inner}`) : [key],
      ),
      ...keysOf(fleet, 'AlertRule'),
      ...Object.keys(defaultAlerts),
      ...['rules.<name>', 'channels.<name>', 'silences[]', 'routingKeyEnv', 'urlEnv', 'secretEnv', 'caFile'],
    ]
    assert.ok(keys.length > 30, keys.join())
    assert.deepEqual(missingFrom(configuration, keys), [])
  })

  test('gives the defaults of the configuration file', () => {
    const { limits, metering } = completeFleet({}, readEnvironment({}), 'test')
    const tool = defineTool({ name: 'a', description: 'A.', input: { type: 'object' }, run: () => null }).spec
    const actual: Record<string, unknown> = {
      timeoutMs: tool.timeoutMs,
      cacheTtlMs: tool.cacheTtlMs,
      idempotent: tool.idempotent,
      maxOutputBytes: tool.maxOutputBytes,
      'input.maxChars': limits.input.maxChars,
      'input.historyMessages': limits.input.historyMessages,
      'input.historyChars': limits.input.historyChars,
      'input.recordingBytes': limits.input.recordingBytes,
      'input.schemaBytes': limits.input.schemaBytes,
      'budgets.fleetTokens': limits.budgets.fleetTokens,
      'budgets.userTokens': limits.budgets.userTokens,
      'budgets.modelTokens': limits.budgets.modelTokens,
      'budgets.estimateTokens': limits.budgets.estimateTokens,
      'budgets.warnAt': limits.budgets.warnAt,
      'budgets.resetHourUtc': limits.budgets.resetHourUtc,
      'rates.userRequests': limits.rates.userRequests,
      'rates.userTokens': limits.rates.userTokens,
      'rates.windowMs': limits.rates.windowMs,
      concurrency: limits.concurrency,
      codeStepTimeoutMs: limits.codeStepTimeoutMs,
      codeMemoryMb: limits.codeMemoryMb,
      retentionDays: metering.retentionDays,
      ...defaultTelemetry,
      ...defaultAlerts,
      'profiles.<name>.maxOutputTokens': defaultTask.maxOutputTokens,
    }
    const tasks = configuration.slice(configuration.indexOf('## A task'))
    assert.equal(defaultsIn(tasks).get('timeoutMs'), String(defaultTask.timeoutMs))
    assert.equal(defaultsIn(tasks).get('maxSteps'), String(defaultTask.maxSteps))
    const written = defaultsIn(configuration.slice(0, configuration.indexOf('## A task')))
    for (const [name, value] of Object.entries(actual)) assert.equal(written.get(name), String(value), name)
  })
})

describe('services', () => {
  test('each README names the topics that its stage reads and writes', async () => {
    const byHost = ['dead-letters', 'ops.health']
    for (const { name, consumes, produces, rows } of await describeServices()) {
      if (name === 'gateway') continue
      assert.ok(rows['calls'] && rows['state'], `services/${name}/README.md has rows calls and state`)
      assert.deepEqual(missingFrom(rows['consumes'] ?? '', consumes), [], `${name} consumes`)
      const written = produces.filter((topic) => !byHost.includes(topic))
      // What router writes back to the topics that it reads is the same record in another place.
      const own = written.filter((topic) => name !== 'router' || !(consumes as string[]).includes(topic))
      assert.deepEqual(missingFrom(rows['produces'] ?? '', own), [], `${name} produces`)
    }
  })
})

describe('links and snippets', () => {
  test('every link and every path in a page leads somewhere', () => {
    assert.deepEqual(
      files.filter(isPage).flatMap((page) => deadLinks(page, exists)),
      [],
    )
    const broken = {
      path: 'docs/a.md',
      text: '[x](../nowhere.md) and `test/nowhere.ts`, not [y](https://example.org)',
    }
    assert.equal(deadLinks(broken, exists).length, 2)
  })

  test('code in the README is a file of examples/, word for word', () => {
    const snippets = snippetsIn(read('README.md'))
    assert.ok(snippets.length >= 2)
    for (const { path, code } of snippets) assert.equal(code, read(path), path)
  })

  test('the configuration of the README loads, and its tool runs', async () => {
    const path = join(root, 'examples/readme/flotilla.config.ts')
    const fleet = await loadFleet(readEnvironment({ FLOTILLA_CONFIG: path }))
    const tool = fleet.tools.find(({ spec }) => spec.name === 'shipping_cost')
    const context = {
      signal: AbortSignal.timeout(120_000),
      taskId: 't',
      userId: null,
      agent: null,
      idempotencyKey: 'k',
      traceparent: null,
    }
    assert.equal(await tool?.run({ country: 'Norway', kilos: 3 }, context), 4.2 * 3)
    await assert.rejects(async () => tool?.run({ country: 'Norway', kilos: -1 }, context), {
      code: 'TOOL_ARGUMENTS_INVALID',
    })
  })
})
