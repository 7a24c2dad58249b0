// Replies to a step, and those it still waits for.
import type { Situation, State, Step, StepToolCall } from './rows.ts'

/** The step with the replies that have come in so far. */
export function withReplies(step: Step, rows: State): Step {
  const toolCalls = step.toolCalls.map((call, index) => rows[`reply:${step.step}.${index}`] ?? call)
  return { ...step, toolCalls }
}

export function currentStep({ rows, run }: Situation): Step | null {
  return rows[`step:${run.step}`] ?? null
}

const open = new Set<StepToolCall['status']>(['requested', 'awaiting_approval'])

export function isSettled(step: Step): boolean {
  return step.toolCalls.every((call) => !open.has(call.status))
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
