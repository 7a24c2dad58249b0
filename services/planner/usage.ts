// Usage of a model call, in the task, in its step, and as an event for metering.
import type { Price } from '../../runtime/config/fleet.ts'
import { parseModel } from '../../runtime/models/names.ts'
import { costOf, priceOf } from '../../runtime/models/prices.ts'
import type { CallOutcome, Emit } from '../../runtime/stage.ts'
import type { Usage, UsageRecorded } from '../../schemas/generated/events.ts'
import { nothingSpent, type ModelReply, type ModelRequest, type ModelSpend } from './call.ts'
import { currentModel, type Run, type Situation } from './rows.ts'
import { estimatedInputTokens } from './conversation/token-estimates.ts'

export interface Spent {
  readonly run: Run
  readonly emit: Emit[]
  readonly cost: number
}

/**
 * Counts a call that was made, whether it succeeded or not. One that never left the process is not counted.
 */
export function spend(
  from: Situation,
  outcome: CallOutcome,
  request: ModelRequest,
  prices: readonly Price[],
): Spent {
  const tokens = tokensOf(outcome, request)
  if (tokens === null) return { run: from.run, emit: [], cost: 0 }
  const { taskId, userId, agent } = from.task
  const data = usageRecord({ taskId, userId, agent, model: currentModel(from) }, outcome, tokens, prices)
  const { cost, costIsGuess } = data
  const add = (usage: Usage): Usage => ({
    ...usage,
    inputTokens: usage.inputTokens + tokens.inputTokens,
    outputTokens: usage.outputTokens + tokens.outputTokens,
    cost: usage.cost + cost,
    costIsGuess: usage.costIsGuess || costIsGuess,
    modelCalls: usage.modelCalls + 1,
  })
  const run = { ...from.run, usage: add(from.run.usage), stepUsage: add(from.run.stepUsage) }
  return { run, emit: [{ topic: 'usage.recorded', type: 'UsageRecorded', data }], cost }
}

/**
 * Null: the call was not made, or stopped before it left. The limits are settled by this figure, and
 * usage.recorded carries it.
 */
export function tokensOf(outcome: CallOutcome, request: ModelRequest): ModelSpend | null {
  if (outcome.ok) {
    const { inputTokens, outputTokens, usageIsEstimate, reported } = outcome.value as ModelReply
    return { inputTokens, outputTokens, usageIsEstimate, ...(reported && { reported }) }
  }
  const { code, details } = outcome.failure
  const reported = spendIn(details)
  if (reported)
    return notMadeCodes.has(code) && reported.inputTokens + reported.outputTokens === 0 ? null : reported
  // The provider was sent the prompt at least, or may have been.
  if (stopCodes.has(code) && outcome.made)
    return { inputTokens: estimatedInputTokens(request), outputTokens: 0, usageIsEstimate: true }
  return notMadeCodes.has(code) ? null : nothingSpent
}

/**
 * The outcome with an estimate of at most so many tokens for the prompt, and of at most the answer's limit
 * more in all. A figure that the provider reported stays as it is.
 */
export function boundedSpend(outcome: CallOutcome, request: ModelRequest, promptTokens: number): CallOutcome {
  const spent = tokensOf(outcome, request)
  if (!spent?.usageIsEstimate) return outcome
  const { inputTokens, outputTokens } = estimateWithin(spent, promptTokens, request.maxOutputTokens)
  if (inputTokens === spent.inputTokens && outputTokens === spent.outputTokens) return outcome
  const bounded = { ...spent, inputTokens, outputTokens }
  if (outcome.ok) return { ...outcome, value: { ...(outcome.value as ModelReply), ...bounded } }
  const details = { ...(outcome.failure.details as object | undefined), ...bounded }
  return { ...outcome, failure: { ...outcome.failure, details } }
}

function estimateWithin(
  { inputTokens, outputTokens, reported }: ModelSpend,
  promptTokens: number,
  answerTokens: number,
): ModelSpend {
  const reserved = promptTokens + answerTokens
  switch (reported) {
    case 'input': {
      const left = reserved - Math.min(inputTokens, promptTokens)
      return { inputTokens, outputTokens: Math.min(outputTokens, left) }
    }
    case 'output':
      return { inputTokens: Math.min(inputTokens, promptTokens), outputTokens }
    default: {
      const output = Math.min(outputTokens, reserved)
      return { inputTokens: Math.min(inputTokens, promptTokens, reserved - output), outputTokens: output }
    }
  }
}

function spendIn(details: unknown): ModelSpend | null {
  const spend = (details ?? {}) as Partial<ModelSpend>
  const { inputTokens, outputTokens, usageIsEstimate = false, reported } = spend
  if (inputTokens === undefined && outputTokens === undefined) return null
  return {
    inputTokens: inputTokens ?? 0,
    outputTokens: outputTokens ?? 0,
    usageIsEstimate,
    ...(reported && { reported }),
  }
}

/** The host stopped the call. */
const stopCodes = new Set(['CALL_ABORTED', 'CALL_TIMEOUT'])
/** The host refused the call, or stopped it. */
const notMadeCodes = new Set([
  'BREAKER_OPEN',
  'CALL_ABORTED',
  'RATE_LIMITED',
  'BUDGET_EXCEEDED',
  'STORE_UNAVAILABLE',
])

/** Who called a model, and which. */
type Called = Pick<UsageRecorded, 'taskId' | 'userId' | 'agent'> & { readonly model: string }

/** Usage of a call that was made, as metering reads it. */
export function usageRecord(
  of: Called,
  outcome: CallOutcome,
  { inputTokens, outputTokens, usageIsEstimate = false }: ModelSpend,
  prices: readonly Price[],
): UsageRecorded {
  return {
    ...of,
    callId: outcome.callId,
    kind: 'model',
    provider: parseModel(of.model).provider,
    tool: null,
    inputTokens,
    outputTokens,
    tokensAreEstimate: usageIsEstimate,
    cost: costOf(of.model, inputTokens, outputTokens, prices),
    costIsGuess: priceOf(of.model, prices).isGuess,
    durationMs: outcome.endedMs - outcome.startedMs,
    succeeded: outcome.ok,
    errorCode: outcome.ok ? null : outcome.failure.code,
    cached: false,
    atMs: outcome.endedMs,
  }
}
