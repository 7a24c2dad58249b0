// Writes to the ledger as data, built from events.
import type {
  CallHeld,
  CallReleased,
  SessionProgressed,
  TaskCompleted,
  TaskSubmitted,
  UsageRecorded,
} from '../../schemas/generated/events.ts'
import type { Tables } from '../../runtime/store/sql.ts'

export type UsageRow = Tables['usage_ledger']
/** `text` is what was asked, of which the caller keeps the beginning and a hash. */
export type TaskRow = Omit<Tables['task_ledger'], 'text_start' | 'text_hash'> & { text: string }
export type SubmittedRow = Omit<Tables['open_tasks'], 'text_start' | 'text_hash'> & { text: string }

/** Feedback on a task: one of its two kinds. */
export type FeedbackRow = { task_id: string } & (
  | Pick<Tables['task_feedback'], 'satisfaction' | 'comment' | 'given_by' | 'given_at_ms'>
  | Pick<Tables['task_feedback'], 'quality' | 'scorer' | 'scored_at_ms'>
)

export type HeldRow = Tables['approvals']
export type ReleasedRow = Pick<HeldRow, 'task_id' | 'call_id' | 'status' | 'held_at_ms'> & {
  ended_at_ms: number
  approval: string
}

/** Request of a call of kind `ledger`: an upsert, so writing it twice changes nothing. */
export type LedgerWrite =
  | { usage: UsageRow }
  | { submitted: SubmittedRow }
  | { task: TaskRow }
  | { feedback: FeedbackRow }
  | { held: HeldRow }
  | { released: ReleasedRow }
  | { session: SessionWrite }

/** What happened to a session. `deleted`: everything of it that is not later goes. */
export type SessionWrite = { session_id: string; user_id: string | null; at_ms: number } & (
  | { turn: Omit<Tables['session_turns'], 'session_id' | 'at_ms'>; variables: string | null }
  | { summary: string; through: number }
  | { deleted: true }
)

export function usageRow(eventId: string, data: UsageRecorded): UsageRow {
  return {
    event_id: eventId,
    task_id: data.taskId,
    call_id: data.callId,
    kind: data.kind,
    user_id: data.userId,
    agent: data.agent,
    model: data.model,
    provider: data.provider,
    tool: data.tool,
    input_tokens: data.inputTokens,
    output_tokens: data.outputTokens,
    cost: data.cost,
    cost_is_guess: Number(data.costIsGuess),
    duration_ms: data.durationMs,
    succeeded: Number(data.succeeded),
    error_code: data.errorCode,
    cached: Number(data.cached),
    at_ms: data.atMs,
  }
}

export function submittedRow(
  data: TaskSubmitted,
  { key, lane, atMs }: { key: string; lane: number; atMs: number },
): SubmittedRow {
  return {
    task_id: key,
    user_id: data.userId,
    agent: data.agent,
    model: data.model,
    profile: data.profile,
    lane,
    submitted_at_ms: atMs,
    session_id: data.sessionId,
    parent: data.parent,
    text: data.text,
  }
}

export function taskRow(data: TaskCompleted): TaskRow {
  return {
    task_id: data.taskId,
    status: data.status,
    user_id: data.userId,
    agent: data.agent,
    model: data.model,
    profile: data.profile,
    execution_ms: data.executionTime,
    input_tokens: data.usage.inputTokens,
    output_tokens: data.usage.outputTokens,
    cost: data.usage.cost,
    steps: Array.isArray(data.steps) ? data.steps.length : 0,
    error_code: data.error?.code ?? null,
    submitted_at_ms: data.submittedAtMs,
    completed_at_ms: data.completedAtMs,
    session_id: data.sessionId,
    parent: data.parent,
    text: data.text,
  }
}

export function heldRow(data: CallHeld): HeldRow {
  return {
    task_id: data.taskId,
    call_id: data.callId,
    tool: data.tool,
    why: data.why,
    status: 'waiting',
    step: data.step,
    user_id: data.userId,
    agent: data.agent,
    arguments: JSON.stringify(data.arguments),
    terms: JSON.stringify(data.terms),
    votes: JSON.stringify(data.votes),
    held_at_ms: data.heldAtMs,
    expires_at_ms: data.expiresAtMs,
    ended_at_ms: null,
    approval: null,
  }
}

export function releasedRow(data: CallReleased): ReleasedRow {
  return {
    task_id: data.taskId,
    call_id: data.callId,
    status: data.outcome,
    held_at_ms: data.heldAtMs,
    ended_at_ms: data.atMs,
    approval: JSON.stringify(data.approval),
  }
}

export function sessionWrite(data: SessionProgressed): SessionWrite {
  const { sessionId: session_id, userId: user_id, atMs: at_ms, kind, task, turn } = data
  const of = { session_id, user_id, at_ms }
  const detail = (data.detail ?? {}) as Readonly<Record<string, unknown>>
  // PostgreSQL takes no zero character.
  const textOf = (name: string) => String(detail[name] ?? '').replaceAll('\u0000', '\ufffd')
  switch (kind) {
    case 'turn_ended':
      return {
        ...of,
        turn: {
          turn: turn ?? 0,
          task_id: task ?? '',
          status: textOf('status'),
          asked: textOf('asked'),
          answered: textOf('answered'),
        },
        variables: detail['kept'] == null ? null : JSON.stringify(detail['kept']),
      }
    case 'compacted':
      return { ...of, summary: textOf('summary'), through: Number(detail['throughTurn'] ?? 0) }
    default:
      return { ...of, deleted: true }
  }
}
