// The events that a session emits.
import type { Emit, Failure, Json } from '../../runtime/stage.ts'
import type { SessionProgressed, TurnSettled } from '../../schemas/generated/events.ts'

export function settled(
  sessionId: string,
  taskId: string,
  end: { status: TurnSettled['status']; error: Failure | null; output?: Json; by?: string },
): Emit {
  const { status, error, output = null, by = null } = end
  const data = { taskId, sessionId, status, output, error, by }
  return { topic: 'sessions.turns', type: 'TurnSettled', data }
}

export const refused = (sessionId: string, taskId: string, error: Failure): Emit =>
  settled(sessionId, taskId, { status: 'rejected', error })

export function cancelled(taskId: string, reason: string): Emit {
  return { topic: 'tasks.control', type: 'TaskCancelled', data: { taskId, reason, requestedBy: null } }
}

export function progressed(
  sessionId: string,
  kind: SessionProgressed['kind'],
  fields: Pick<SessionProgressed, 'userId' | 'atMs'> & Partial<SessionProgressed>,
): Emit {
  const data = { sessionId, kind, task: null, turn: null, detail: null, ...fields }
  return { topic: 'sessions.history', type: 'SessionProgressed', key: sessionId, data }
}
