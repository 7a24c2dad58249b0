// What happens in a simulated run: tasks, cancels, and an outside world of models and tools, all drawn from the seed.
import { hash } from 'node:crypto'
import { z } from 'zod'
import { defineTool } from '../../runtime/config/define.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { completeFleet } from '../../runtime/config/load.ts'
import { FlotillaError, type ErrorCode } from '../../runtime/errors.ts'
import type { Caller, Stage } from '../../runtime/stage.ts'
import type { Random } from '../../runtime/testing/simulator/random.ts'
import type { VirtualClock } from '../../runtime/testing/simulator/virtual-clock.ts'
import type { ModelReply, ModelRequest } from '../../services/planner/model.ts'
import { createPlannerStage } from '../../services/planner/stage.ts'
import { createRouterStage } from '../../services/router/stage.ts'
import { createToolExecutorStage } from '../../services/tool-executor/stage.ts'

const noRun = () => null
const lookup = defineTool({
  name: 'lookup',
  description: 'Finds a number.',
  input: z.object({ n: z.number() }),
  idempotent: true,
  timeoutMs: 5_000,
  run: noRun,
})
const charge = defineTool({
  name: 'charge',
  description: 'Takes money.',
  input: z.object({ n: z.number() }),
  timeoutMs: 5_000,
  run: noRun,
})

export function simulatedFleet(): Fleet {
  const environment = readEnvironment({ FLOTILLA_SCRIPTED_URL: 'http://127.0.0.1:9/v1' })
  const agents = { default: { mode: 'tools' as const } }
  const budgets = { fleetTokens: null, userTokens: null, modelTokens: null }
  // A window so small that tasks wait for each other.
  const limits = { budgets, queue: { inFlight: 2 } }
  return completeFleet({ tools: [lookup, charge], agents, limits }, environment, 'simulation')
}

export function simulatedStages(fleet: Fleet): Stage[] {
  return [createRouterStage(fleet), createPlannerStage(fleet), createToolExecutorStage(fleet)]
}

const modelFailures: readonly ErrorCode[] = [
  'MODEL_RATE_LIMITED',
  'MODEL_TIMEOUT',
  'MODEL_UNAVAILABLE',
  'MODEL_ANSWER_MALFORMED',
]
const toolFailures: readonly ErrorCode[] = ['TOOL_FAILED', 'TOOL_UNAVAILABLE', 'TOOL_TIMEOUT']

export interface Outside {
  readonly clock: VirtualClock
  readonly random: Random
  /** Share of calls that fail, by any class of R9. */
  failures: () => number
}

/** The answer depends on the conversation alone; only failures and latency are drawn. */
export function simulatedCallers(outside: Outside): Record<string, Caller> {
  const wait = (ms: number) => new Promise<void>((resume) => outside.clock.schedule(ms, resume))
  const model = async (request: ModelRequest): Promise<ModelReply> => {
    await wait(outside.random.between(5, 2_000))
    if (outside.random.chance(outside.failures())) throw injected(outside.random.pick(modelFailures))
    return answer(request)
  }
  const tool = async (request: { arguments: unknown }) => {
    await wait(outside.random.between(1, 800))
    if (outside.random.chance(outside.failures())) throw injected(outside.random.pick(toolFailures))
    return { output: request.arguments, cached: false }
  }
  return { model, tool } as Record<string, Caller>
}

function injected(code: ErrorCode): FlotillaError {
  return new FlotillaError(code, 'injected', code === 'MODEL_RATE_LIMITED' ? { retryAfterMs: 700 } : {})
}

function draw(...parts: (string | number)[]): number {
  return Number.parseInt(hash('sha256', parts.join('|'), 'hex').slice(0, 8), 16)
}

/** One to four turns; each but the last asks for up to three tools at once, now and then for one that does not exist. */
function answer({ messages, model }: ModelRequest): ModelReply {
  const text = String(messages.find(({ role }) => role === 'user')?.content)
  const turn = messages.filter(({ role }) => role === 'assistant').length
  const usage = { inputTokens: 100 + turn, outputTokens: 10, usageIsEstimate: false, model }
  if (turn >= draw(text, 'turns') % 4)
    return { ...usage, text: `done ${text}`, toolCalls: [], finishReason: 'stop' }
  const count = 1 + (draw(text, turn, 'count') % 3)
  const toolCalls = Array.from({ length: count }, (_, index) => ({
    id: `call_${turn}_${index}`,
    name: ['lookup', 'charge', 'lookup', 'nothing'][draw(text, turn, index) % 4] as string,
    argumentsText: JSON.stringify({ n: index }),
  }))
  return { ...usage, text: '', toolCalls, finishReason: 'tool_calls' }
}
