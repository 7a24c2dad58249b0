// Fields of every result of a task, whichever stage ends it.
import type { AskedBy, TaskCompleted, Usage } from '../../schemas/generated/events.ts'
import type { Emit } from '../stage.ts'

export const noUsage: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cost: 0,
  costIsGuess: false,
  modelCalls: 0,
  toolCalls: 0,
}

/** Fields of the submission that the result repeats. */
export type Asked = Pick<
  TaskCompleted,
  | 'text'
  | 'userId'
  | 'agent'
  | 'profile'
  | 'mode'
  | 'sessionId'
  | 'parent'
  | 'forkedFrom'
  | 'forkedFromStep'
  | 'toolPolicy'
>

export function taskResult(asked: Asked, end: Omit<TaskCompleted, keyof Asked>): TaskCompleted {
  const { text, userId, agent, profile, mode, sessionId, parent } = asked
  // Rows of tasks that an older version began lack these.
  const { forkedFrom = null, forkedFromStep = null, toolPolicy = null } = asked
  const fork = { forkedFrom, forkedFromStep, toolPolicy }
  return { ...end, text, userId, agent, profile, mode, sessionId, parent, ...fork }
}

/**
 * The answer to the call that asked for this task, to be emitted with its result; nothing if none did. `costAbove`: what
 * counts in the asking task, if that is more than is known of its cost.
 */
export function delegationEnded(
  askedBy: AskedBy | null,
  result: TaskCompleted,
  costAbove: number | null = null,
): Emit[] {
  if (askedBy === null) return []
  const { taskId, callId } = askedBy
  const { status, output, error, usage, childrenCost, agent } = result
  const cost = Math.max(usage.cost + (childrenCost ?? 0), costAbove ?? 0)
  const child = { taskId: result.taskId, agent: agent ?? '', status, cost, costIsGuess: usage.costIsGuess }
  const data = { taskId, callId, child, output: status === 'succeeded' ? output : null, error }
  return [{ topic: 'tasks.delegated', type: 'DelegationEnded', key: taskId, data }]
}
