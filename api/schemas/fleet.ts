// What a fleet is configured with, and what its parts do.
import { z } from 'zod'
import { alertMeasures } from '../../runtime/config/alerts.ts'
import { topics } from '../../schemas/topics.ts'
import { timeMs } from './values.ts'

const text = z.string().nullable()
const texts = z.array(z.string())

export const agentView = z
  .object({
    name: z.string(),
    isDefault: z.boolean().meta({ description: 'Runs tasks that name no agent.' }),
    description: text,
    mode: z.enum(['code', 'tools']),
    profile: text,
    strategy: text,
    model: text.meta({ description: 'First choice for its tasks; null if a strategy chooses by the task.' }),
    tools: texts,
  })
  .meta({ id: 'Agent' })

export const toolView = z
  .object({
    name: z.string(),
    description: z.string(),
    server: text.meta({ description: "MCP server that it is a tool of; null: the configuration's own." }),
    agents: texts.meta({ description: 'Agents that may call it.' }),
    idempotent: z.boolean(),
    requiresApproval: z.boolean(),
    timeoutMs: z.number(),
    retries: z.number(),
    cacheTtlMs: z.number().meta({ description: '0: results are not cached.' }),
  })
  .meta({ id: 'Tool' })

export const modelView = z
  .object({
    model: z.string(),
    provider: z.string(),
    baseUrl: text,
    usedBy: texts.meta({ description: 'What uses it: `default`, `profile fast`, `tier strong`.' }),
    price: z
      .object({ input: z.number(), output: z.number(), isGuess: z.boolean() })
      .nullable()
      .meta({ description: 'US dollars per million tokens.' }),
    contextTokens: z.number().nullable(),
    missing: text.meta({ description: 'What to set before it can be called; null: nothing.' }),
    keyEnv: text.meta({ description: 'Name of the variable with its key; null: it needs none.' }),
    served: texts.nullable().meta({ description: 'Models that a server of your own says it has.' }),
    problem: text,
  })
  .meta({ id: 'Model' })

export const setting = z
  .object({
    name: z.string().meta({ description: 'A variable, or the path of a field of flotilla.config.ts.' }),
    value: z.unknown().meta({ description: 'JSON; secrets are masked.' }),
    source: z.enum(['default', 'file', 'environment']),
  })
  .meta({ id: 'Setting' })

const topicNames = topics.map(({ name }) => name) as [
  (typeof topics)[number]['name'],
  ...(typeof topics)[number]['name'][],
]

export const laneView = z
  .object({
    stage: z.string(),
    lane: z.number(),
    owner: text.meta({ description: 'Null: nobody has the lane.' }),
    paused: z.boolean(),
    lag: z.number().meta({ description: 'Records that the stage has not finished yet.' }),
    topics: z.array(z.object({ topic: z.enum(topicNames), position: z.number(), next: z.number() })),
    leaderless: z
      .array(z.enum(topicNames))
      .optional()
      .meta({ description: 'Topics whose partition no broker leads: they are not in the lag.' }),
  })
  .meta({ id: 'Lane' })

export const pause = z
  .object({
    stage: text.meta({ description: 'Null: every stage.' }),
    reason: text,
    by: text,
    sinceMs: timeMs,
  })
  .meta({ id: 'Pause' })

export const topicView = z
  .object({
    name: z.enum(topicNames),
    partitions: z.number(),
    records: z.number().meta({
      description:
        'Offsets from the first to the last record; on Kafka the end of each transaction takes one too.',
    }),
    events: texts,
    purpose: z.string(),
    leaderless: z
      .array(z.number())
      .optional()
      .meta({ description: 'Partitions that no broker leads: their records are not counted.' }),
  })
  .meta({ id: 'Topic' })

export const breakerView = z
  .object({
    breaker: z.string().meta({ description: 'The guarded target: `model:openai`, `tool:fetch_page`.' }),
    stage: z.string(),
    instance: z.string(),
    state: z.enum(['closed', 'open', 'half_open']),
    sinceMs: timeMs,
    reason: text,
    stale: z.boolean().meta({ description: 'Its process is gone.' }),
  })
  .meta({ id: 'Breaker' })

export const deadLetterView = z
  .object({
    id: z.string().meta({ description: '`partition:offset` on dead-letters.' }),
    stage: z.string(),
    code: z.string(),
    message: z.string(),
    sourceTopic: z.string(),
    sourcePartition: z.number(),
    sourceOffset: z.number(),
    key: text,
    bytes: z.number(),
    failedAtMs: timeMs,
    replayedAtMs: timeMs.nullable(),
  })
  .meta({ id: 'DeadLetter' })

export const deadLetterContent = deadLetterView
  .extend({
    headers: z.record(z.string(), z.string()),
    value: z.string().meta({ description: 'As text if it is text, else as hex.' }),
    event: z
      .object({ type: z.string(), data: z.unknown() })
      .nullable()
      .exactOptional()
      .meta({ description: 'The event that the bytes are, decoded; null if they are none.' }),
  })
  .meta({ id: 'DeadLetterContent' })

export const replayed = z.object({ topic: z.string(), partition: z.number(), offset: z.number() })

export const bulkAnswer = z
  .object({
    matched: texts.meta({
      description: 'Ids that match; without a dry run all but the refused ones are done.',
    }),
    refused: z
      .array(z.object({ id: z.string(), message: z.string() }))
      .meta({ description: 'Those of them that are refused, or with a dry run would be.' }),
    more: z.boolean().meta({ description: 'More match than the limit.' }),
  })
  .meta({ id: 'BulkAnswer' })

export const alertView = z
  .object({
    rule: z.string(),
    severity: z.string(),
    condition: z
      .object({
        measure: z.enum(alertMeasures),
        threshold: z.number(),
        windowMs: z.number(),
        minTasks: z.number(),
        pattern: text,
      })
      .meta({ description: 'The rule as configured.' }),
    channels: texts,
    missingChannels: texts.exactOptional().meta({ description: 'Channels that are not defined.' }),
    state: z.enum(['firing', 'ok']),
    message: text,
    sinceMs: timeMs.nullable(),
    silence: z.object({ untilMs: timeMs, reason: text, by: text }).nullable(),
  })
  .meta({ id: 'Alert' })

export const testAnswer = z
  .object({ channel: z.string(), status: z.enum(['delivered', 'failed', 'dropped']), answer: z.string() })
  .meta({ id: 'AlertTestAnswer' })

export const summaryLine = z
  .object({
    group: text.meta({
      description: 'User, agent, day, model or tool; null for the total, or if there is none.',
    }),
    executions: z.number().meta({ description: 'Tasks; by model and tool: calls.' }),
    rejected: z.number(),
    successRate: z.number().nullable().meta({ description: '0 to 1, of those that were not rejected.' }),
    meanMs: z.number(),
    fromMs: timeMs.exactOptional().meta({ description: 'Beginning of its hour or day; with `per` alone.' }),
    p50Ms: z.number().exactOptional().meta({
      description: 'Half of the durations are at most this; with `percentiles` alone.',
    }),
    p95Ms: z.number().exactOptional().meta({
      description: '95 of 100 durations are at most this; with `percentiles` alone.',
    }),
    cached: z.number().exactOptional().meta({
      description: 'Calls that the cache answered; by model and tool alone.',
    }),
    inputTokens: z.number(),
    outputTokens: z.number(),
    cost: z.number().meta({ description: 'US dollars.' }),
    satisfaction: z.number().nullable(),
    quality: z.number().nullable(),
  })
  .meta({ id: 'UsageLine' })

export const budgetLine = z
  .object({
    budget: z.string().meta({ description: '`fleet`, `user:ann`, `model:gpt-4o`.' }),
    used: z.number(),
    reserved: z.number(),
    limit: z.number().nullable(),
    recorded: z.number().meta({ description: "Tokens of the day's calls in the usage ledger." }),
    resetsAtMs: timeMs,
  })
  .meta({ id: 'BudgetLine' })
