// Routes for operators.
import { z } from 'zod'
import { exportFormats, exportTables, summaryBy, summaryPer } from '../runtime/ledger/choices.ts'
import { createdKey, keyView, newKey } from './keys.ts'
import { omittedHeaders } from './omitted.ts'
import { route, type Route } from './route.ts'
import { doctorReport } from './schemas/doctor.ts'
import * as fleet from './schemas/fleet.ts'
import { mcpServerView } from './schemas/mcp-servers.ts'
import { clamped, count, flag, name, remark, text, time } from './schemas/values.ts'

/** The last moment that JavaScript knows. */
const LAST_MS = 8_640_000_000_000_000

const none = z.strictObject({})

/** Of an answer that is read from the log. */
const fromLog = { headers: omittedHeaders } as const

type More = Partial<typeof fromLog>

const listOf = <S extends z.ZodType>(schema: S, description: string, more: More = {}) =>
  ({ 200: { description, schema: z.array(schema), ...more } }) as const

/** A route that reads a list and takes no parameters. */
const list = <P extends string, S extends z.ZodType>(
  path: P,
  tag: Route['tag'],
  summary: string,
  schema: S,
  more: More = {},
) => route({ method: 'GET', path, tag, summary, query: none, answers: listOf(schema, summary, more) })

const letterId = z.object({
  id: z.string().meta({ description: '`partition:offset`, as listed.', examples: ['0:12'] }),
})
const rule = z.object({ rule: name('Name of the rule.') })

const letterFilter = {
  code: z.string().exactOptional().meta({ description: 'With this error code.' }),
  stage: z.string().exactOptional().meta({ description: 'Given up by this stage.' }),
  reason: z.string().exactOptional().meta({ description: 'With this text in the message.' }),
}
const bulk = z.strictObject({
  ids: z.array(z.string()).exactOptional().meta({ description: 'These dead letters, instead of a filter.' }),
  limit: count('How many at most: 100 unless given, never more than 1,000.').exactOptional(),
  dryRun: z.boolean().exactOptional().meta({ description: 'True: nothing is done.' }),
  force: z.boolean().exactOptional().meta({ description: 'Replays also events that only stages write.' }),
  sinceMs: count('Failed since, epoch milliseconds.').exactOptional(),
  ...letterFilter,
})
const bulkExample = { code: 'TOOL_FAILED', dryRun: true }

const times = {
  from: time('From this time on.').exactOptional(),
  to: time('Before this time.').exactOptional(),
}

export const operator = {
  agents: list('/v1/fleet/agents', 'fleet', 'Agents of the fleet', fleet.agentView),
  tools: list('/v1/fleet/tools', 'fleet', 'Tools of the fleet', fleet.toolView),
  models: list('/v1/fleet/models', 'fleet', 'Models of the fleet', fleet.modelView),
  mcpServers: list(
    '/v1/fleet/mcp-servers',
    'fleet',
    'MCP servers: their pinned tools, how their calls went, and what is wrong',
    mcpServerView,
    fromLog,
  ),
  config: list('/v1/fleet/config', 'fleet', 'Settings, each with its source', fleet.setting),
  lanes: list('/v1/fleet/lanes', 'fleet', 'Lanes of every stage: owner and lag', fleet.laneView, fromLog),
  pauses: list('/v1/fleet/pauses', 'fleet', 'Pauses that hold', fleet.pause, fromLog),
  pause: route({
    method: 'POST',
    path: '/v1/fleet/pauses',
    tag: 'fleet',
    summary: 'Pause or resume a stage, or the fleet',
    description: 'A paused stage finishes what it has taken. Refused if nothing would change.',
    body: z.strictObject({
      paused: z.boolean(),
      stage: name('The stage; without one the whole fleet.').exactOptional(),
      reason: remark('Why.').exactOptional(),
      by: name('Who paused it.').exactOptional(),
    }),
    bodyExample: { paused: true, stage: 'planner', reason: 'the provider is down' },
    answers: listOf(fleet.pause, 'The pauses that hold then.'),
    errors: ['NOT_FOUND'],
  }),
  doctor: route({
    method: 'GET',
    path: '/v1/doctor',
    tag: 'fleet',
    summary: 'What works in this process of the fleet, what does not, and what to do about it',
    description:
      'The checks of `flotilla doctor`, beside each other, each within 20 s. They ask the default model (about ten tokens), start each executor and look at each MCP server, if their services run in this process. One run answers all that ask meanwhile and for 10 s after.',
    query: none,
    answers: { 200: { description: 'A finding of each check.', schema: doctorReport } },
  }),
  topics: list('/v1/topics', 'fleet', "The fleet's topics and what they hold", fleet.topicView),
  breakers: list(
    '/v1/breakers',
    'fleet',
    'Circuit breakers, those that are not closed first',
    fleet.breakerView,
    fromLog,
  ),
  deadLetters: route({
    method: 'GET',
    path: '/v1/dead-letters',
    tag: 'dead-letters',
    summary: 'Dead letters, the newest first',
    query: z.strictObject({
      limit: clamped({ least: 1, most: 1_000 }, 'How many at most.').default(100),
      since: time('Failed since.').exactOptional(),
      code: text('With this error code.').exactOptional(),
      stage: text('Given up by this stage.').exactOptional(),
      reason: text('With this text in the message.').exactOptional(),
    }),
    answers: listOf(fleet.deadLetterView, 'Without those that were purged.', fromLog),
  }),
  deadLetter: route({
    method: 'GET',
    path: '/v1/dead-letters/:id',
    tag: 'dead-letters',
    summary: 'One dead letter with its headers and bytes',
    params: letterId,
    query: none,
    answers: { 200: { description: 'The dead letter.', schema: fleet.deadLetterContent } },
    errors: ['NOT_FOUND'],
  }),
  replayAll: route({
    method: 'POST',
    path: '/v1/dead-letters/replay',
    tag: 'dead-letters',
    summary: 'Replay those that match, the oldest first',
    body: bulk,
    bodyExample: bulkExample,
    answers: { 200: { description: 'What matched.', schema: fleet.bulkAnswer } },
  }),
  purge: route({
    method: 'POST',
    path: '/v1/dead-letters/purge',
    tag: 'dead-letters',
    summary: 'Hide those that match from the list',
    body: bulk,
    bodyExample: bulkExample,
    answers: { 200: { description: 'What matched.', schema: fleet.bulkAnswer } },
  }),
  replay: route({
    method: 'POST',
    path: '/v1/dead-letters/:id/replay',
    tag: 'dead-letters',
    summary: 'Replay one dead letter',
    description: 'Refused if that would give a task a second result, or do nothing.',
    params: letterId,
    body: z.strictObject({
      force: z.boolean().exactOptional().meta({ description: 'Also an event that only stages write.' }),
      as: z
        .string()
        .exactOptional()
        .meta({ description: 'Submits the task of this dead letter as a new one with this id.' }),
    }),
    bodyExample: {},
    answers: { 200: { description: 'Where the record is now.', schema: fleet.replayed } },
    errors: ['NOT_FOUND'],
  }),
  alerts: list('/v1/alerts', 'alerts', 'Alert rules with their state and silences', fleet.alertView, fromLog),
  silence: route({
    method: 'POST',
    path: '/v1/alerts/:rule/silence',
    tag: 'alerts',
    summary: "Mute a rule's channels until a time",
    description: 'A time in the past ends the silence.',
    params: rule,
    body: z.strictObject({
      untilMs: z
        .number({ error: 'must be a time in epoch milliseconds' })
        .int({ error: 'must be a time in epoch milliseconds' })
        .min(0, { error: 'must be a time in epoch milliseconds' })
        .max(LAST_MS, { error: 'must be a time in epoch milliseconds' }),
      reason: remark('Why.').exactOptional(),
      by: name('Who silenced it.').exactOptional(),
    }),
    bodyExample: { untilMs: 1795000000000, reason: 'maintenance' },
    answers: {
      202: { description: 'It is silenced.', schema: z.object({ rule: z.string(), untilMs: z.number() }) },
    },
    errors: ['NOT_FOUND'],
  }),
  testAlert: route({
    method: 'POST',
    path: '/v1/alerts/:rule/test',
    tag: 'alerts',
    summary: 'Test the channels of a rule',
    params: rule,
    body: none,
    answers: listOf(fleet.testAnswer, 'The answer of each channel.'),
    errors: ['NOT_FOUND', 'LOG_UNAVAILABLE'],
  }),
  usage: route({
    method: 'GET',
    path: '/v1/usage',
    tag: 'usage',
    summary: 'Usage and cost',
    query: z.strictObject({
      by: z.enum(summaryBy).default('total').meta({ description: 'What a line stands for.' }),
      ...times,
      per: z
        .enum(summaryPer)
        .exactOptional()
        .meta({ description: 'A line for each group and hour or day (UTC).' }),
      percentiles: flag('Percentiles of the durations too.').exactOptional(),
      limit: clamped({ least: 1, most: 10_000 }, 'Lines at most: 1,000 unless given.').exactOptional(),
    }),
    answers: listOf(
      fleet.summaryLine,
      'The most expensive first; days the newest first. With `per` the latest hours or days first.',
    ),
    errors: ['TOO_MANY_STREAMS', 'STORE_UNAVAILABLE'],
  }),
  usageExport: route({
    method: 'GET',
    path: '/v1/usage/export',
    tag: 'usage',
    summary: 'The ledgers, row by row, oldest first',
    query: z.strictObject({
      table: z
        .enum(exportTables)
        .default('calls')
        .meta({ description: 'Every model, tool and code call; or every result with its feedback.' }),
      format: z.enum(exportFormats).default('csv').meta({ description: 'json: a line each.' }),
      ...times,
    }),
    answers: {
      200: {
        description: 'CSV, or lines of JSON.',
        schema: z.string(),
        type: ['text/csv', 'application/x-ndjson'],
      },
    },
    errors: ['TOO_MANY_STREAMS', 'STORE_UNAVAILABLE'],
  }),
  keys: list('/v1/keys', 'keys', 'API keys, the newest first, revoked ones too', keyView),
  createKey: route({
    method: 'POST',
    path: '/v1/keys',
    tag: 'keys',
    summary: 'Create an API key',
    description: 'The key is shown once. Nobody gives scopes or agents that it has not itself.',
    body: newKey,
    bodyExample: { name: 'ci', userId: 'ci', scopes: ['tasks:submit', 'tasks:read'] },
    answers: { 201: { description: 'The key, and what it may do.', schema: createdKey } },
    errors: ['FORBIDDEN', 'STORE_UNAVAILABLE'],
  }),
  revokeKey: route({
    method: 'DELETE',
    path: '/v1/keys/:id',
    tag: 'keys',
    summary: 'Revoke an API key',
    description: 'Takes effect on every gateway within 5 s.',
    params: z.object({ id: name('Id of the key, as listed.') }),
    answers: { 200: { description: 'The revoked key.', schema: keyView } },
    errors: ['NOT_FOUND', 'STORE_UNAVAILABLE'],
  }),
  limits: list('/v1/limits', 'usage', "Today's token budgets, the fullest first", fleet.budgetLine),
  rebuildLimits: route({
    method: 'POST',
    path: '/v1/limits/rebuild',
    tag: 'usage',
    summary: "Set today's budgets to what the usage ledger has",
    body: none,
    answers: listOf(fleet.budgetLine, 'The changed lines, before the change.'),
    errors: ['STORE_UNAVAILABLE'],
  }),
} as const satisfies Record<string, Route>
