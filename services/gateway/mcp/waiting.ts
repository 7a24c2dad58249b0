// Calls of a task that wait for a person: those that the person at the client is asked about.
//
// 1. The key of a question is the id of its call. A decision that did not count is asked again under a key of its own,
//    because clients take a key that they have answered for done.
// 2. Where several people must agree, the client is asked once; then the others have to decide.
import { fieldsOf } from '../../../operator/direct/progress.ts'
import type { TaskProgressed } from '../../../schemas/generated/events.ts'
import type { Json } from '../../../schemas/json.ts'

/** What is asked: whether it may run, for an answer, or whether it took effect. */
export type Why = 'approval' | 'question' | 'doubt'

export interface WaitingCall {
  readonly callId: string
  readonly key: string
  readonly tool: string
  readonly why: Why
  readonly arguments: Json
  /** JSON Schema of the answer to a question; null: a text. */
  readonly answer: Json
  /** Why the last decision did not count. */
  readonly problem: string | null
  /** A decision counts; others must agree. */
  readonly isCounted: boolean
}

/** Those that were not decided since, of a step that is not over. */
export function waitingCalls(events: readonly TaskProgressed[]): WaitingCall[] {
  const found = new Map<string, WaitingCall>()
  const refused = new Map<string, number>()
  for (const event of events) {
    const fields = fieldsOf(event)
    const callId = textIn(fields, 'callId')
    const known = found.get(callId)
    if (event.kind === 'step_completed' || event.kind === 'completed') found.clear()
    else if (event.kind === 'approval_requested' && known === undefined)
      found.set(callId, callIn(callId, fields))
    else if (event.kind === 'approval_decided' && known !== undefined) {
      if (fields['final'] === true) found.delete(callId)
      else if (fields['outcome'] === 'counted') found.set(callId, { ...known, isCounted: true })
      else {
        const times = (refused.get(callId) ?? 0) + 1
        refused.set(callId, times)
        found.set(callId, { ...known, key: `${callId}.${times}`, problem: textIn(fields, 'problem') })
      }
    }
  }
  return [...found.values()]
}

function callIn(callId: string, fields: Readonly<Record<string, unknown>>): WaitingCall {
  const why = textIn(fields, 'why')
  return {
    callId,
    key: callId,
    tool: textIn(fields, 'tool'),
    why: why === 'question' || why === 'doubt' ? why : 'approval',
    arguments: (fields['arguments'] ?? null) as Json,
    answer: (fields['answer'] ?? null) as Json,
    problem: null,
    isCounted: false,
  }
}

function textIn(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value : ''
}
