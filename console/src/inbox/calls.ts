// The calls of a task that wait for a person, by its history.
import type { Got, TaskDetail } from '../api/client.ts'

/** approval; question: an answer is wanted; doubt: nobody knows whether it took effect. */
export type Why = 'approval' | 'question' | 'doubt'

export interface WaitingCall {
  readonly callId: string
  /** Names this wait in a decision: a call may wait several times. Null: an older history does not say. */
  readonly heldAtMs: number | null
  readonly tool: string
  readonly why: Why
  readonly arguments: unknown
  readonly step: number | null
  readonly sinceMs: number
  readonly expiresAtMs: number | null
  /** People who must agree, and how many still have to. */
  readonly needed: number
  readonly missing: number
  /** Votes that count so far. */
  readonly agreed: readonly Agreed[]
  /** Decisions so far, also those that do not count. */
  readonly decisions: number
  /** JSON Schema of the answer to a question; null: any. */
  readonly answer: unknown
  /** Why the last decision did not count. */
  readonly problem: string | null
}

export interface Agreed {
  readonly by: string
  /** As that person edited them; null: as asked. */
  readonly arguments: unknown
}

interface Said {
  readonly step: number | null
  readonly text: string
}

export type Fields = Readonly<Record<string, unknown>>

export const fieldsOf = (detail: unknown): Fields =>
  typeof detail === 'object' && detail !== null ? (detail as Fields) : {}

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const numberOf = (value: unknown): number | null => (typeof value === 'number' ? value : null)
const whyOf = (value: unknown): Why => (value === 'question' || value === 'doubt' ? value : 'approval')

/** Of this wait of the call, not of others. */
export const waitKey = ({ callId, heldAtMs }: WaitingCall): string => `${callId} ${heldAtMs ?? ''}`

/** Those that were neither decided since nor belong to a step that is over. */
export function waitingCalls({ events }: Pick<TaskDetail, 'events'>): WaitingCall[] {
  const found = new Map<string, WaitingCall>()
  for (const { kind, detail, step, atMs } of events) {
    const fields = fieldsOf(detail)
    const callId = textOf(fields['callId'])
    const known = found.get(callId)
    if (kind === 'step_completed' || kind === 'completed') found.clear()
    else if (kind === 'approval_requested' && callId !== '' && !known)
      found.set(callId, waitingCall(callId, fields, step, atMs))
    else if (kind === 'approval_decided' && known) {
      if (fields['final'] === true) found.delete(callId)
      else found.set(callId, decided(known, fields))
    }
  }
  return [...found.values()]
}

type Recorded = Pick<
  Got<'/v1/approvals'>[number],
  'callId' | 'tool' | 'why' | 'arguments' | 'step' | 'terms' | 'votes' | 'agreed' | 'heldAtMs' | 'expiresAtMs'
>

/** A call as the ledger has it: for those that lie further back in the log than is read. */
export function recordedCall({ terms, votes, ...call }: Recorded): WaitingCall {
  const { needed, answer } = fieldsOf(terms)
  return {
    callId: call.callId,
    heldAtMs: call.heldAtMs,
    tool: call.tool,
    why: whyOf(call.why),
    arguments: call.arguments,
    step: call.step,
    sinceMs: call.heldAtMs,
    expiresAtMs: call.expiresAtMs,
    needed: numberOf(needed) ?? 1,
    missing: (numberOf(needed) ?? 1) - call.agreed,
    decisions: 0,
    agreed: (Array.isArray(votes) ? votes : []).map((vote) => ({
      by: textOf(fieldsOf(vote)['by']),
      arguments: fieldsOf(vote)['arguments'] ?? null,
    })),
    answer: answer ?? null,
    problem: null,
  }
}

function waitingCall(callId: string, fields: Fields, step: number | null, atMs: number): WaitingCall {
  return {
    callId,
    heldAtMs: numberOf(fields['heldAtMs']),
    tool: textOf(fields['tool']),
    why: whyOf(fields['why']),
    arguments: fields['arguments'],
    step,
    sinceMs: atMs,
    expiresAtMs: numberOf(fields['expiresAtMs']),
    needed: numberOf(fields['needed']) ?? 1,
    missing: numberOf(fields['needed']) ?? 1,
    agreed: [],
    decisions: 0,
    answer: fields['answer'] ?? null,
    problem: null,
  }
}

function decided(before: WaitingCall, fields: Fields): WaitingCall {
  const call = { ...before, decisions: before.decisions + 1 }
  const problem = textOf(fields['problem'])
  if (problem !== '') return { ...call, problem }
  const by = textOf(fields['by'])
  const votes = call.agreed.filter((each) => each.by !== by)
  const agreed = [...votes, { by, arguments: fields['arguments'] ?? null }]
  // People are counted where the call is held: several votes may be one person's.
  return { ...call, problem: null, agreed, missing: numberOf(fields['missing']) ?? call.missing }
}

/** What the model said in each step up to now, the latest last. */
export const saidBefore = ({ events }: Pick<TaskDetail, 'events'>): Said[] =>
  events.flatMap(({ kind, detail, step }) => {
    const text = textOf(fieldsOf(detail)['text']).trim()
    return kind === 'model_called' && text !== '' ? [{ step, text }] : []
  })
