// What a model call of a task in a tree may cost at most, so that the tree never costs more than its maxCost.
//
// 1. It holds for tasks that an agent asked for, and for those whose agent has delegates. A task alone is checked after
//    each call (step.ts): an answer that was paid for counts.
// 2. A prompt has at most as many tokens as bytes. Once the model has counted one, what was added since bounds the next.
// 3. The answer is limited to what is left then. If not a short one fits, the task ends before the call.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { delegatesOf } from '../../runtime/config/delegates.ts'
import { failure } from '../../runtime/errors.ts'
import { priceOf } from '../../runtime/models/prices.ts'
import type { Call, Failure } from '../../runtime/stage.ts'
import type { ModelReply, ModelRequest } from './call.ts'
import { currentModel, type Run, type Situation } from './rows.ts'
import { totalCost } from './step.ts'
import { requestBytes } from './conversation/token-estimates.ts'

/** A shorter answer is of no use. Tokens. */
const LEAST_OUTPUT_TOKENS = 16
/** Roles and separators that a provider adds to what was added. */
const FRAME_TOKENS = 32
const MILLION = 1_000_000

type Configured = Pick<Fleet, 'agents' | 'models'>

const isBounded = ({ task }: Situation, fleet: Pick<Fleet, 'agents'>): boolean =>
  task.maxCost !== null && (Boolean(task.askedBy) || delegatesOf(fleet, task.agent).length > 0)

/** The call with its answer limited to what is left; or why there is not enough for it. */
export function withinCost(
  from: Situation,
  call: Call,
  fleet: Configured,
): { call: Call } | { stop: Failure } {
  const { task, run } = from
  if (task.maxCost === null || !isBounded(from, fleet)) return { call }
  const request = call.request as ModelRequest
  const price = priceOf(currentModel(from), fleet.models.prices)
  const left = task.maxCost - totalCost(run)
  const forAnswer = left - (promptBound(from, request) * price.inputPerMillion) / MILLION
  if (price.outputPerMillion === 0 && forAnswer >= 0) return { call }
  const affordable = Math.floor((forAnswer / price.outputPerMillion) * MILLION)
  const maxOutputTokens = Math.min(request.maxOutputTokens, affordable)
  if (maxOutputTokens < Math.min(LEAST_OUTPUT_TOKENS, request.maxOutputTokens))
    return { stop: tooLittle(from, left) }
  return { call: { ...call, request: { ...request, maxOutputTokens } } }
}

function tooLittle({ task, run }: Situation, left: number): Failure {
  const of = task.askedBy ? 'the share of its maxCost that the asking task gave it' : 'its maxCost'
  const message = `Of $${task.maxCost}, ${of}, $${Math.max(0, left).toFixed(6)} is left: too little for step ${run.step}`
  return failure('COST_LIMIT', message)
}

/** Names what the prompt of a step consists of: one that was made shorter is not the last one with more added. */
const shapeOf = (from: Situation): string => {
  const { from: first = 1, trimmed = 0 } = from.run.compacted ?? {}
  return `${currentModel(from)} ${first} ${trimmed}`
}

function promptBound(from: Situation, request: ModelRequest): number {
  const bytes = requestBytes(request)
  const last = from.run.lastPrompt
  if (!last || request.summarises || last.of !== shapeOf(from) || bytes < last.bytes) return bytes
  return Math.min(bytes, last.tokens + (bytes - last.bytes) + FRAME_TOKENS)
}

/** The progress after this answer; an estimate bounds nothing, and neither does the count of another prompt. */
export function withPrompt(
  from: Situation,
  request: ModelRequest,
  reply: ModelReply,
  fleet: Configured,
): Run {
  if (reply.usageIsEstimate || request.summarises || !isBounded(from, fleet)) return from.run
  if (reply.steered !== undefined && reply.steered.length !== (request.steered ?? []).length) return from.run
  return {
    ...from.run,
    lastPrompt: { of: shapeOf(from), bytes: requestBytes(request), tokens: reply.inputTokens },
  }
}
