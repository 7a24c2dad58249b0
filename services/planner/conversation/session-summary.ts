// Summaries of sessions' older turns: planner calls the model, because it is who calls models.
//
// 1. One call, no state: the session decides what follows from a failure.
// 2. Its usage is recorded for the user under the id of the request, and the limits count it like every model call.
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { failure, plainFailure } from '../../../runtime/errors.ts'
import type { Key } from '../../../runtime/keys.ts'
import { callLimitsOf } from '../../../runtime/models/call-limits.ts'
import { parseModel } from '../../../runtime/models/names.ts'
import type { Call, CallOutcome, Decision, Emit, Failure } from '../../../runtime/stage.ts'
import type { SummaryRequested } from '../../../schemas/generated/events.ts'
import type { ModelReply, ModelRequest } from '../call.ts'
import { withoutThinking } from '../code/blocks.ts'
import { MODEL_MARGIN_MS } from '../constants.ts'
import { truncated } from '../prompts/replies.ts'
import { askForSessionSummary, sessionSummaryPrompt } from '../prompts/session-summary.ts'
import type { PlannerRows } from '../rows.ts'
import { tokensOf, usageRecord } from '../usage.ts'

const CHARS_PER_TOKEN = 4
/** A summary helps the next turns: nobody waits longer for one. */
const MOST_MS = 5 * 60_000

/** A session's id may be that of a task. */
export const keyOfSummary = ({ sessionId }: SummaryRequested): Key => ({ root: sessionId, part: 'summary' })

export function summaryCall(asked: SummaryRequested, { models }: Pick<Fleet, 'models'>): Call {
  const { model, userId, transcript, mostTokens } = asked
  const request: ModelRequest = {
    model,
    messages: [
      { role: 'system', content: sessionSummaryPrompt },
      { role: 'user', content: askForSessionSummary(transcript, mostTokens * CHARS_PER_TOKEN) },
    ],
    temperature: 0,
    maxOutputTokens: mostTokens,
    stream: false,
    userId,
    step: 0,
  }
  const { provider } = parseModel(model)
  const limitMs = callLimitsOf(provider, models.providers[provider]).timeoutMs + MODEL_MARGIN_MS
  return { kind: 'model', target: provider, request, timeoutMs: Math.min(limitMs, MOST_MS), idempotent: true }
}

export function concludeSummaryCall(
  asked: SummaryRequested,
  call: Call,
  outcome: CallOutcome,
  { models }: Pick<Fleet, 'models'>,
): Decision<PlannerRows> {
  const { sessionId, requestId, userId, agent, model, mostTokens } = asked
  const spent = tokensOf(outcome, call.request as ModelRequest)
  const of = { taskId: requestId, userId, agent, model }
  const usage = spent && usageRecord(of, outcome, spent, models.prices)
  const { summary, error } = summaryOf(outcome, mostTokens)
  const cost = usage?.cost ?? 0
  const data = { sessionId, requestId, summary, model: error === null ? model : null, cost, error }
  const reply: Emit = { topic: 'sessions.requested', type: 'SessionSummarised', key: sessionId, data }
  return {
    emit: [
      ...(usage ? [{ topic: 'usage.recorded', type: 'UsageRecorded', data: usage } as const] : []),
      reply,
    ],
  }
}

/** `reason`: why the session gets no summary. */
export function noSummary(
  { sessionId, requestId }: SummaryRequested,
  reason: Failure,
): Decision<PlannerRows> {
  const data = { sessionId, requestId, summary: null, model: null, cost: 0, error: reason }
  return { emit: [{ topic: 'sessions.requested', type: 'SessionSummarised', key: sessionId, data }] }
}

function summaryOf(
  outcome: CallOutcome,
  mostTokens: number,
): { summary: string | null; error: Failure | null } {
  if (!outcome.ok) return { summary: null, error: plainFailure(outcome.failure) }
  const text = withoutThinking((outcome.value as ModelReply).text).trim()
  if (text !== '') return { summary: truncated(text, 2 * mostTokens * CHARS_PER_TOKEN), error: null }
  return { summary: null, error: failure('MODEL_ANSWER_MALFORMED', 'the summary was empty') }
}
