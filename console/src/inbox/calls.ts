// The calls of a task that wait for a person, by its history.
import type { TaskDetail } from '../api/client.ts'

export interface WaitingCall {
  readonly callId: string
  readonly tool: string
  readonly arguments: unknown
  readonly step: number | null
  readonly sinceMs: number
}

interface Said {
  readonly step: number | null
  readonly text: string
}

const fieldsOf = (detail: unknown): Readonly<Record<string, unknown>> =>
  typeof detail === 'object' && detail !== null ? (detail as Readonly<Record<string, unknown>>) : {}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Those that were neither approved since nor belong to a step that is over. */
export function waitingCalls({ events }: Pick<TaskDetail, 'events'>): WaitingCall[] {
  const found = new Map<string, WaitingCall>()
  for (const { kind, detail, step, atMs } of events) {
    const fields = fieldsOf(detail)
    const callId = textOf(fields['callId'])
    if (kind === 'step_completed' || kind === 'completed') found.clear()
    else if (kind === 'waiting' && fields['for'] === 'approval' && callId !== '')
      found.set(callId, {
        callId,
        tool: textOf(fields['tool']),
        arguments: fields['arguments'],
        step,
        sinceMs: atMs,
      })
    else if (kind === 'tool_requested') found.delete(callId)
  }
  return [...found.values()]
}

/** What the model said in each step up to now, the latest last. */
export const saidBefore = ({ events }: Pick<TaskDetail, 'events'>): Said[] =>
  events.flatMap(({ kind, detail, step }) => {
    const text = textOf(fieldsOf(detail)['text']).trim()
    return kind === 'model_called' && text !== '' ? [{ step, text }] : []
  })
