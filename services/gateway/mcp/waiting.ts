// Calls of a task that wait for a person: those that the person at the client is asked about.
//
// 1. The key of a question is the id of its call. What is asked again of the same call has a key of its own, because
//    clients take a key that they have answered for done: after a decision that did not count, and when it waits once
//    more. So a form that is sent twice never answers what was asked after it.
// 2. Where several people must agree, the client is asked once; then the others have to decide.
import { fieldsOf } from '../../../operator/direct/tasks/progress.ts'
import type { TaskProgressed } from '../../../schemas/generated/events.ts'
import type { Json } from '../../../schemas/json.ts'

/** What is asked: whether it may run, for an answer, or whether it took effect. */
export type Why = 'approval' | 'question' | 'doubt'

export interface WaitingCall {
  readonly callId: string
  readonly key: string
  /** Names the wait in a decision; null: a history of an older version does not say. */
  readonly heldAtMs: number | null
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
  /** How often each call was asked about before. */
  const times = new Map<string, number>()
  const keyOfNext = (callId: string): string => {
    const time = (times.get(callId) ?? -1) + 1
    times.set(callId, time)
    return time === 0 ? callId : `${callId}.${time}`
  }
  for (const event of events) {
    const fields = fieldsOf(event)
    const callId = textIn(fields, 'callId')
    const known = found.get(callId)
    if (event.kind === 'step_completed' || event.kind === 'completed') found.clear()
    else if (event.kind === 'approval_requested' && known === undefined)
      found.set(callId, callIn(callId, keyOfNext(callId), fields))
    else if (event.kind === 'approval_decided' && known !== undefined) {
      if (fields['final'] === true) found.delete(callId)
      else if (fields['outcome'] === 'counted') found.set(callId, { ...known, isCounted: true })
      else found.set(callId, { ...known, key: keyOfNext(callId), problem: textIn(fields, 'problem') })
    }
  }
  return [...found.values()]
}

function callIn(callId: string, key: string, fields: Readonly<Record<string, unknown>>): WaitingCall {
  const why = textIn(fields, 'why')
  const { heldAtMs } = fields
  return {
    callId,
    key,
    heldAtMs: typeof heldAtMs === 'number' ? heldAtMs : null,
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
