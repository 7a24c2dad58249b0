// Forks of tasks, their recordings, and tasks side by side.
import { z } from 'zod'
import { toolPolicies } from '../../runtime/task/recording.ts'
import { count, json, name, whole } from './values.ts'

const MAX_STEP = 10_000

export const fromStep = whole(
  { least: 1, most: MAX_STEP },
  'The first step that runs again: 1 unless given. The steps before it are shared.',
).exactOptional()

export const forkInput = z.strictObject({
  taskId: name('Id of the fork: the same id runs once. A new one unless given.').exactOptional(),
  fromStep: count(
    'The first step that runs again: 1 unless given. The steps before it are shared.',
  ).exactOptional(),
  agent: name('In place of the origin’s agent.').exactOptional(),
  model: name('provider/model, in place of what chose the origin’s model.').exactOptional(),
  profile: name('In place of what chose the origin’s model.').exactOptional(),
  instructions: z.string().exactOptional().meta({ description: 'In place of the agent’s instructions.' }),
  tools: z
    .enum(toolPolicies)
    .exactOptional()
    .meta({ description: 'How tool calls are answered: `recorded` unless given.' }),
  maxCost: z.number().exactOptional().meta({ description: 'Most US dollars to spend; else as the origin.' }),
  priority: z.number().exactOptional().meta({ description: '-9 to 9; else as the origin.', type: 'integer' }),
  userId: name('On whose behalf; else as the origin.').exactOptional(),
})

export const forked = z
  .object({ taskId: z.string(), forkedFrom: z.string(), fromStep: z.number(), tools: z.enum(toolPolicies) })
  .meta({ id: 'Forked' })

export const recording = z
  .object({
    steps: z.array(json).exactOptional().meta({ description: 'The steps before `fromStep`.' }),
    outcomes: z.array(json).exactOptional().meta({ description: 'Outcomes of the tool calls after them.' }),
  })
  .meta({ id: 'Recording' })

const stepView = z.object({
  kind: z.string(),
  model: z.string().nullable(),
  text: z.string().nullable(),
  code: z.string().nullable(),
  toolCalls: z.array(z.object({ tool: z.string(), arguments: json, status: z.string() })),
  observation: z.string().nullable(),
  error: z.string().nullable(),
  recorded: z.boolean(),
  inputTokens: z.number(),
  outputTokens: z.number(),
  cost: z.number(),
  durationMs: z.number(),
})

const comparedTask = z.object({
  taskId: z.string(),
  status: z.string(),
  output: json,
  errorCode: z.string().nullable(),
  model: z.string().nullable(),
  forkedFrom: z.string().nullable(),
  forkedFromStep: z.number().nullable(),
  refusedCalls: z.number(),
  steps: z.number(),
  inputTokens: z.number(),
  outputTokens: z.number(),
  cost: z.number(),
  executionTime: z.number(),
})

export const comparison = z
  .object({
    a: comparedTask,
    b: comparedTask,
    steps: z.array(
      z.object({
        step: z.number(),
        a: stepView.nullable(),
        b: stepView.nullable(),
        differs: z.array(z.string()),
      }),
    ),
    firstDifference: z
      .object({ step: z.number(), in: z.array(z.string()) })
      .nullable()
      .meta({ description: 'The first step that differs; models, tokens and times make no difference.' }),
    sameOutput: z.boolean(),
  })
  .meta({ id: 'Comparison' })

export const taskReplay = z
  .object({
    taskId: z.string(),
    same: z.boolean().meta({ description: 'Every decision came out the same.' }),
    stages: z.array(
      z.object({
        stage: z.string(),
        handled: z.number().meta({ description: 'Events and timers that were handled again.' }),
        compared: z.number().meta({ description: 'Emitted events that were compared.' }),
        divergence: z
          .object({
            stage: z.string(),
            eventId: z.string(),
            eventType: z.string(),
            step: z.number().nullable(),
            what: z.string(),
          })
          .nullable()
          .meta({ description: 'The first event whose handling came out differently.' }),
      }),
    ),
    outcomes: z
      .literal('events')
      .meta({ description: 'Outcomes of calls were read from the events that followed them.' }),
  })
  .meta({ id: 'TaskReplay' })
