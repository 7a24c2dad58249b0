// Replies to a step, and those it still waits for.
import type { OtherRows, Run, Situation, Step, StepToolCall } from './rows.ts'

/** The step with the replies that have come in so far. */
export function withReplies(step: Step, rows: OtherRows): Step {
  if (step.toolCalls.length === 0) return step
  const toolCalls = step.toolCalls.map((call, index) => rows[`reply:${step.step}.${index}`] ?? call)
  return { ...step, toolCalls }
}

/** The same for the result of a task that ends now: calls that wait for a person say so. */
export function withWaiting(step: Step, { held, inDoubt, delegatesHeld }: Run): Step {
  if (!held) return step
  const toolCalls = step.toolCalls.map((call): StepToolCall => {
    if (call.status !== 'requested' || !held.ids.includes(call.callId)) return call
    if (delegatesHeld?.includes(call.callId)) return call
    return { ...call, status: inDoubt?.includes(call.callId) ? 'unknown' : 'awaiting_approval' }
  })
  return { ...step, toolCalls }
}

export function currentStep({ rows, run }: Situation): Step | null {
  return rows[`step:${run.step}`] ?? null
}

export function isSettled(step: Step): boolean {
  return step.toolCalls.every((call) => call.status !== 'requested')
}

export function requestId({ task, run }: Situation): string {
  return `${task.taskId}.${run.step}`
}

/** Ids of requests that other stages still work on. */
export function outstandingIds(from: Situation): string[] {
  if (from.run.phase === 'code') return [requestId(from)]
  const step = currentStep(from)
  if (from.run.phase !== 'tools' || step === null) return []
  const { toolCalls } = withReplies(step, from.rows)
  return toolCalls.filter((call) => call.status === 'requested').map((call) => call.callId)
}
