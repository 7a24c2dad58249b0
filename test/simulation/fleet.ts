// The fleet that is simulated: real stages, tools of every kind that matters to the host, two models at a
// price. Stages are pure, so one of each serves every run of a thread.
import { z } from 'zod'
import { createCodec } from '../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../runtime/codec/embedded-registry.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import type { AgentDefinition, Fleet, Tool } from '../../runtime/config/fleet.ts'
import { completeFleet } from '../../runtime/config/load.ts'
import type { Stage } from '../../runtime/stage.ts'
import { createAlertingStage } from '../../services/alerting/stage.ts'
import { createCodeSandboxStage } from '../../services/code-sandbox/stage.ts'
import { createMeteringStage } from '../../services/metering/stage.ts'
import { createPlannerStage } from '../../services/planner/stage.ts'
import { createRouterStage } from '../../services/router/stage.ts'
import { createSessionsStage } from '../../services/sessions/stage.ts'
import { askPerson } from '../../services/tool-executor/tools/ask-person.ts'
import { createToolExecutorStage } from '../../services/tool-executor/stage.ts'

import { treeAgents } from './trees.ts'

/** `mark` is unique within a task: it names what the call does. */
const input = z.object({ mark: z.string() })
const tool = (name: string, options: Partial<Parameters<typeof defineTool>[0]>): Tool =>
  defineTool({ name, description: 'A simulated tool.', input, timeoutMs: 5_000, run: () => null, ...options })

const tools = [
  tool('lookup', { idempotent: true }),
  tool('cached', { idempotent: true, cacheTtlMs: 60_000 }),
  tool('charge', {}),
  // Hangs for longer than any task lives, unless it is stopped.
  tool('endless', { idempotent: true, timeoutMs: 100_000, retries: 0 }),
  // Waits for longer than a task of a tree may take.
  tool('signed', { requiresApproval: { expiresMs: 60_000 } }),
  tool('approved', { requiresApproval: { expiresMs: 20_000 } }),
  tool('judged', { requiresApproval: { when: () => true, expiresMs: 15_000, onExpiry: 'fail' } }),
  // What became of a transfer can be looked up, sometimes; else a person says.
  tool('transfer', {
    reconcile: () => null,
    inDoubt: 'hold',
    requiresApproval: { when: () => false, expiresMs: 20_000 },
  }),
  askPerson({ expiresMs: 20_000 }),
  tool('large', { idempotent: true, maxOutputBytes: 200 }),
]

const profile = {
  temperature: 0,
  maxSteps: 6,
  timeoutMs: 120_000,
  executor: 'default',
  maxOutputTokens: 100,
}

export const fleet: Fleet = completeFleet(
  {
    tools,
    agents: {
      tools: { mode: 'tools', profile: 'two-models' },
      code: { mode: 'code', profile: 'two-models' },
      ...Object.fromEntries(
        Object.entries(treeAgents).map(([name, agent]) => [
          name,
          { ...agent, profile: 'two-models' } as AgentDefinition,
        ]),
      ),
    },
    models: {
      providers: { alpha: { baseUrl: 'http://127.0.0.1:9/v1' }, beta: { baseUrl: 'http://127.0.0.1:9/v1' } },
      sizes: [{ model: 'alpha/', contextTokens: 200 }],
      profiles: { 'two-models': { ...profile, models: ['alpha/one', 'beta/two'] } },
      prices: [
        { model: 'alpha/', input: 10, output: 20 },
        { model: 'beta/', input: 1, output: 2 },
      ],
    },
    // So short that tasks of more than two steps need summaries.
    compaction: { keepRecent: 1 },
    // So short that sessions need summaries, and are over after a week.
    sessions: { recentTurns: 2, waiting: 3, summaryTokens: 50, retentionDays: 2, keepVariables: true },
    alerts: { rules: { high_error_rate: { minTasks: 4 } } },
    limits: {
      // So small that tasks wait for each other. The budgets are each run's own (outside.ts).
      queue: { inFlight: 2 },
      budgets: { fleetTokens: 60_000, userTokens: 25_000, modelTokens: 30_000 },
    },
  },
  readEnvironment({}),
  'simulation',
)

export const stages: readonly Stage[] = [
  createRouterStage(fleet),
  createSessionsStage(fleet),
  createPlannerStage(fleet),
  createToolExecutorStage(fleet),
  createCodeSandboxStage(fleet),
  createMeteringStage(),
  createAlertingStage(fleet),
] as unknown as readonly Stage[]

export const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'simulation' })
await codec.prepare()
