// Replaces older turns by a summary, or by a line each where no summary can be had.
import type { Sessions } from '../../runtime/config/sessions.ts'
import { withoutLost } from '../../runtime/errors/missing-row.ts'
import type { SessionSummarised, TurnEnded } from '../../schemas/generated/events.ts'
import { progressed } from './events.ts'
import { isPressing, linesOf, replaceable, transcriptOf } from './memory.ts'
import type { Session, SessionDecision, State } from './rows.ts'

/** A summary that did not come within this time is given up. */
export const SUMMARY_MS = 15 * 60_000

interface Shorter {
  readonly session: Session
  readonly rows: State
  readonly changes: SessionDecision
}

interface After {
  readonly sessionId: string
  readonly requestId: string
  readonly data: TurnEnded
  readonly limits: Sessions
  readonly atMs: number
}

/** After a turn: asks for a summary if too much is kept whole. `session` and `rows` are those after the turn. */
export function compact(session: Session, rows: State, after: After): Shorter {
  const { limits, atMs, data, requestId, sessionId } = after
  const unchanged = { session, rows, changes: {} }
  if (session.asking && atMs < session.asking.atMs + SUMMARY_MS) return unchanged
  const through = replaceable(session, rows, limits)
  if (through === null) return { ...unchanged, session: { ...session, asking: null } }
  const model = limits.summaryModel ?? data.model ?? 'off'
  if (model === 'off' || session.asking) return byLines(session, rows, through, after)
  const { userId, agent } = data
  const request = {
    sessionId,
    requestId,
    userId,
    agent,
    model,
    transcript: transcriptOf(session, rows, through),
    fromTurn: session.oldest,
    throughTurn: through,
    mostTokens: limits.summaryTokens,
  }
  return {
    session: { ...session, asking: { requestId, through, atMs } },
    rows,
    changes: {
      emit: [{ topic: 'sessions.turns', type: 'SummaryRequested', key: sessionId, data: request }],
    },
  }
}

type Where = Pick<After, 'sessionId' | 'limits' | 'atMs'>

function byLines(session: Session, rows: State, through: number, where: Where, why?: string): Shorter {
  const text = linesOf(session, rows, through, where.limits)
  return replaced(session, rows, { through, text }, where, { how: 'lines', ...(why && { why }) })
}

export function takeSummary(
  session: Session,
  rows: State,
  { summary, error, model, cost }: SessionSummarised,
  where: Where,
): SessionDecision {
  const through = session.asking?.through ?? session.oldest - 1
  // It is asked for again after the next turn, as long as there is room.
  if (error?.retryable && !isPressing(session, rows, where.limits))
    return { rows: { session: { ...session, asking: null } } }
  const shorter =
    summary === null
      ? byLines(session, rows, through, where, error?.message ?? 'there was no summary')
      : replaced(session, rows, { through, text: summary }, where, { how: 'summary', model, cost })
  const { changes } = shorter
  return { ...changes, rows: { ...changes.rows, session: shorter.session } }
}

/** The event names the turns that are replaced; their rows go. */
function replaced(
  session: Session,
  rows: State,
  summary: { through: number; text: string },
  { sessionId, atMs }: Where,
  how: { how: 'summary' | 'lines'; model?: string | null; cost?: number; why?: string },
): Shorter {
  const { through, text } = summary
  const gone: Record<`turn:${number}`, null> = {}
  const left: Record<string, unknown> = { ...withoutLost(rows), summary }
  for (let turn = session.oldest; turn <= through; turn++) {
    gone[`turn:${turn}`] = null
    delete left[`turn:${turn}`]
  }
  const detail = { fromTurn: session.oldest, throughTurn: through, summary: text, ...how }
  return {
    session: { ...session, oldest: through + 1, asking: null },
    rows: left as State,
    changes: {
      rows: { ...gone, summary },
      emit: [progressed(sessionId, 'compacted', { userId: session.userId, atMs, detail })],
    },
  }
}
