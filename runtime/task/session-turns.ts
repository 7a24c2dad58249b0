// The end of a turn of a session, whichever stage ends its task.
import type { Emit, Failure, Json } from '../stage.ts'
import type { TaskAdmitted, TurnEnded } from '../../schemas/generated/events.ts'

type Asked = Pick<
  TaskAdmitted,
  'taskId' | 'userId' | 'agent' | 'text' | 'sessionId' | 'forkedFrom' | 'toolPolicy'
>

/** False for a fork and for a task that touches nothing outside: its session is a label, and it waits for no turn. */
export const isTurn = ({ sessionId, forkedFrom, toolPolicy }: Asked): boolean =>
  // Rows of tasks that an older version began lack the last two.
  sessionId !== null && (forkedFrom ?? null) === null && (toolPolicy ?? 'live') === 'live'

/** To be emitted in the transaction of the task's result. Nothing for tasks that are no turns. */
export function turnEnded(
  task: Asked,
  end: Pick<TurnEnded, 'status' | 'error'> & { readonly atMs: number } & Partial<
      Pick<TurnEnded, 'model' | 'output' | 'steered' | 'variables'>
    >,
): Emit[] {
  if (!isTurn(task) || task.sessionId === null) return []
  const { sessionId, taskId, userId, agent, text } = task
  const { status, error, atMs, model = null, output = null, steered = [], variables = null } = end
  const of = { sessionId, task: taskId, userId, agent, text }
  return [turnEndedEvent({ ...of, model, status, output, error, steered, endedAtMs: atMs, variables })]
}

/** The end of a turn whose task is unknown where it should be. */
export function turnLost(
  { task, sessionId, userId = null, agent = '' }: LostTurn,
  error: Failure,
  atMs: number,
): Emit {
  const unknown = { model: null, text: '', output: null as Json, steered: [], variables: null }
  return turnEndedEvent({
    ...unknown,
    sessionId,
    task,
    userId,
    agent,
    status: 'failed',
    error,
    endedAtMs: atMs,
  })
}

interface LostTurn {
  readonly task: string
  readonly sessionId: string
  readonly userId?: string | null
  readonly agent?: string
}

const turnEndedEvent = (data: TurnEnded): Emit => ({
  topic: 'sessions.requested',
  type: 'TurnEnded',
  key: data.sessionId,
  data,
})
