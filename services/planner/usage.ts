// What a model call cost, in the task, in its step, and as an event for metering.
import type { Price } from '../../runtime/config/fleet.ts'
import { parseModel } from '../../runtime/models/names.ts'
import { costOf, priceOf } from '../../runtime/models/prices.ts'
import type { CallOutcome, Emit } from '../../runtime/stage.ts'
import type { Usage, UsageRecorded } from '../../schemas/generated/events.ts'
import type { ModelReply, ModelSpend } from './model.ts'
import { currentModel, type Run, type Situation } from './state.ts'

export interface Spent {
  readonly run: Run
  readonly emit: Emit[]
  readonly cost: number
}

/** Of a call that was made, whether it succeeded or not. A breaker that refused it, or an abort that cost nothing, counts for nothing. */
export function spend(from: Situation, outcome: CallOutcome, prices: readonly Price[]): Spent {
  const tokens = tokensOf(outcome)
  if (tokens === null) return { run: from.run, emit: [], cost: 0 }
  const model = currentModel(from)
  const cost = costOf(model, tokens.inputTokens, tokens.outputTokens, prices)
  const { isGuess } = priceOf(model, prices)
  const add = (usage: Usage): Usage => ({
    ...usage,
    inputTokens: usage.inputTokens + tokens.inputTokens,
    outputTokens: usage.outputTokens + tokens.outputTokens,
    cost: usage.cost + cost,
    costIsGuess: usage.costIsGuess || isGuess,
    modelCalls: usage.modelCalls + 1,
  })
  const run = { ...from.run, usage: add(from.run.usage), stepUsage: add(from.run.stepUsage) }
  const data = recorded(from, outcome, { ...tokens, cost, costIsGuess: isGuess })
  return { run, emit: [{ topic: 'usage.recorded', type: 'UsageRecorded', data }], cost }
}

/** Null: the call was not made, or stopped before it cost anything. */
export function tokensOf(outcome: CallOutcome): ModelSpend | null {
  if (outcome.ok) {
    const { inputTokens, outputTokens } = outcome.value as ModelReply
    return { inputTokens, outputTokens }
  }
  const { code, details } = outcome.failure
  const spent = details as Partial<ModelSpend> | null | undefined
  const tokens = { inputTokens: spent?.inputTokens ?? 0, outputTokens: spent?.outputTokens ?? 0 }
  const notMade = notMadeCodes.has(code)
  return notMade && tokens.inputTokens + tokens.outputTokens === 0 ? null : tokens
}

/** The host refused the call, or stopped it. */
const notMadeCodes = new Set(['BREAKER_OPEN', 'CALL_ABORTED', 'RATE_LIMITED', 'BUDGET_EXCEEDED'])

type Figures = Pick<UsageRecorded, 'inputTokens' | 'outputTokens' | 'cost' | 'costIsGuess'>

function recorded(from: Situation, outcome: CallOutcome, figures: Figures): UsageRecorded {
  const model = currentModel(from)
  return {
    taskId: from.task.taskId,
    callId: outcome.callId,
    kind: 'model',
    userId: from.task.userId,
    agent: from.task.agent,
    model,
    provider: parseModel(model).provider,
    tool: null,
    ...figures,
    durationMs: outcome.endedMs - outcome.startedMs,
    succeeded: outcome.ok,
    errorCode: outcome.ok ? null : outcome.failure.code,
    cached: false,
    atMs: outcome.endedMs,
  }
}
