// Fields of every result of a task, whichever stage ends it.
import type { TaskCompleted, Usage } from '../schemas/generated/events.ts'

export const noUsage: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cost: 0,
  costIsGuess: false,
  modelCalls: 0,
  toolCalls: 0,
}

/** Fields of the submission that the result repeats. */
type Asked = Pick<
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
