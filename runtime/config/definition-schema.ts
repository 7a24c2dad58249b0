// What flotilla.config.ts may hold: the form of every setting. Its meaning is in the types (fleet.ts), its default in
// defaults.ts.
import { z } from 'zod'
import { identityMistakes } from '../../schemas/identity.ts'
import { strategies } from '../models/strategies.ts'
import { alertsSchema } from './alerts.ts'
import { delegatesSchema, delegationSchema } from './delegates.ts'
import { knownExecutors, sandboxSchema } from './executors.ts'
import type { Tool } from './fleet.ts'
import { gatewaySchema } from './gateway.ts'
import { longestTask } from './long-tasks.ts'
import { mcpExposureSchema } from './mcp/exposure.ts'
import { mcpServersSchema } from './mcp/servers.ts'
import { meteringSchema, telemetrySchema } from './recording.ts'
import { whenBusyChoices } from './sessions.ts'
import { sessionsSchema } from './sessions-schema.ts'

/** Longest delay of a Node timer. */
const MAX_TIMER_MS = 2_147_483_647

const name = z.string().min(1)
const whole = (least: number) => z.number().int().min(least)
/** Null: no limit. */
const most = whole(1).nullable()
const minuteRates = z.strictObject({
  requestsPerMinute: whole(1).optional(),
  tokensPerMinute: whole(1).optional(),
})
const jsonSchema = z.record(z.string(), z.json())
const tool = z.custom<Tool>(
  (value) => typeof value === 'object' && value !== null && 'spec' in value && 'run' in value,
  'must be made by defineTool({ name, description, input, run })',
)
const pattern = z.string().refine(isRegExp, 'must be a regular expression')

const choice = z
  .union([z.boolean(), z.array(name)], { error: 'must be true, false or a list of names' })
  .optional()
const overrides = z
  .strictObject({
    mode: z.boolean().optional(),
    model: choice,
    profile: choice,
    strategy: z.boolean().optional(),
    maxSteps: whole(1).max(longestTask.maxSteps).optional(),
    timeoutMs: whole(1).max(longestTask.timeoutMs).optional(),
    maxCost: z.number().gt(0).optional(),
    temperature: z.boolean().optional(),
    maxOutputTokens: whole(1).optional(),
    instructions: z.boolean().optional(),
  })
  .optional()

const compaction = z
  .strictObject({
    strategy: z.enum(['summarise', 'trim', 'off']).optional(),
    at: z.number().min(0.1).max(0.95).optional(),
    atTokens: whole(1_000).optional(),
    keepRecent: whole(1).max(1_000).optional(),
  })
  .optional()

export const definitionSchema = z.strictObject({
  defaultAgent: name.optional(),
  overrides,
  compaction,
  agents: z
    .record(
      name,
      z.strictObject({
        version: z.string().min(1).max(100).optional(),
        mode: z.enum(['code', 'tools']).optional(),
        description: z.string().optional(),
        instructions: z.string().optional(),
        tools: z.array(name).optional(),
        delegates: delegatesSchema,
        profile: name.optional(),
        strategy: z.enum(strategies).optional(),
        outputSchema: jsonSchema.optional(),
        compaction,
        whenBusy: z.enum(whenBusyChoices).optional(),
        keepVariables: z.boolean().optional(),
        systemPrompt: z.string().min(1).optional(),
        overrides,
        showActivity: z.boolean().optional(),
        mcp: mcpExposureSchema,
      }),
    )
    .superRefine((agents, context) => {
      for (const agent of Object.keys(agents))
        for (const message of identityMistakes('TaskSubmitted', { agent }))
          context.addIssue({ code: 'custom', message, path: [agent] })
    })
    .optional(),
  tools: z.array(tool).optional(),
  mcpServers: mcpServersSchema.optional(),
  models: z
    .strictObject({
      default: name.optional(),
      strategy: z.enum(strategies).optional(),
      tiers: z
        .strictObject({ economical: name.optional(), standard: name.optional(), strong: name.optional() })
        .optional(),
      profiles: z
        .record(
          name,
          z.strictObject({
            models: z.array(name).min(1),
            temperature: z.number().min(0).max(2),
            maxSteps: whole(1).max(longestTask.maxSteps),
            timeoutMs: whole(1).max(longestTask.timeoutMs),
            executor: z.enum(knownExecutors),
            toolCacheTtlMs: whole(0).optional(),
            maxOutputTokens: whole(1).optional(),
          }),
        )
        .optional(),
      providers: z
        .record(
          name,
          z.strictObject({
            baseUrl: z.url().optional(),
            keyEnv: name.optional(),
            concurrency: whole(1).optional(),
            idleTimeoutMs: whole(1).max(MAX_TIMER_MS).optional(),
            timeoutMs: whole(1).max(MAX_TIMER_MS).optional(),
          }),
        )
        .optional(),
      prices: z
        .array(z.strictObject({ model: name, input: z.number().min(0), output: z.number().min(0) }))
        .optional(),
      sizes: z
        .array(
          z.strictObject({
            model: name,
            contextTokens: whole(1).optional(),
            maxOutputTokens: whole(1).optional(),
          }),
        )
        .optional(),
    })
    .optional(),
  limits: z
    .strictObject({
      input: z
        .strictObject({
          maxChars: whole(1).optional(),
          historyMessages: whole(0).optional(),
          historyChars: whole(0).optional(),
          recordingBytes: whole(0).optional(),
          schemaBytes: whole(2).optional(),
          forbiddenPatterns: z.array(pattern).optional(),
        })
        .optional(),
      concurrency: whole(1).optional(),
      queue: z
        .strictObject({
          inFlight: whole(1).optional(),
          waiting: whole(1).optional(),
          waitingPerUser: whole(1).optional(),
        })
        .optional(),
      delegation: delegationSchema,
      codeStepTimeoutMs: whole(1).optional(),
      codeMemoryMb: whole(64).optional(),
      budgets: z
        .strictObject({
          fleetTokens: most.optional(),
          userTokens: most.optional(),
          modelTokens: most.optional(),
          users: z.record(name, most).optional(),
          models: z.record(name, most).optional(),
          estimateTokens: whole(1).optional(),
          warnAt: z.number().gt(0).max(1).optional(),
          resetHourUtc: whole(0).max(23).optional(),
        })
        .optional(),
      rates: z
        .strictObject({
          userRequests: most.optional(),
          userTokens: most.optional(),
          windowMs: whole(1).optional(),
          providers: z.record(name, minuteRates).optional(),
          models: z.record(name, minuteRates).optional(),
        })
        .optional(),
    })
    .optional(),
  sessions: sessionsSchema.optional(),
  metering: meteringSchema.optional(),
  telemetry: telemetrySchema.optional(),
  alerts: alertsSchema.optional(),
  sandbox: sandboxSchema.optional(),
  gateway: gatewaySchema.optional(),
})

function isRegExp(source: string): boolean {
  try {
    new RegExp(source)
    return true
  } catch {
    return false
  }
}
