// Calls of a task that wait for a person, as questions to the person at the client.
//
// 1. Only an accepted form that says yes or no decides. A form that is dismissed, or filled in wrongly, leaves the call
//    waiting: it is asked again.
// 2. The key of a question is the id of its call, which is unique within the task.
import { z } from 'zod'
import type { TaskProgressed } from '../../../schemas/generated/events.ts'
import type { Json } from '../../../schemas/json.ts'
import { shortened } from '../../../runtime/bounded-text.ts'
import { fieldsOf } from '../../../operator/direct/progress.ts'

export interface WaitingCall {
  readonly callId: string
  readonly tool: string
  readonly arguments: Json
}

/** Those that were not decided since, of a step that is not over. */
export function waitingCalls(events: readonly TaskProgressed[]): WaitingCall[] {
  const found = new Map<string, WaitingCall>()
  for (const event of events) {
    const { callId, tool, arguments: given, for: what } = fieldsOf(event)
    if (event.kind === 'step_completed' || event.kind === 'completed') found.clear()
    else if (typeof callId !== 'string') continue
    else if (event.kind === 'waiting' && what === 'approval')
      found.set(callId, { callId, tool: String(tool), arguments: (given ?? null) as Json })
    else if (event.kind === 'tool_requested' || event.kind === 'tool_called') found.delete(callId)
  }
  return [...found.values()]
}

const MAX_ARGUMENTS_CHARS = 4_000

/** A form, as `elicitation/create` asks for it. */
function questionOf({ tool, arguments: given }: WaitingCall) {
  const shown = shortened(JSON.stringify(given, null, 2), MAX_ARGUMENTS_CHARS)
  return {
    method: 'elicitation/create' as const,
    params: {
      mode: 'form' as const,
      message: `The agent wants to call ${tool} with\n${shown}\nMay it?`,
      requestedSchema: {
        type: 'object' as const,
        properties: {
          confirm: { type: 'boolean' as const, title: 'Approve', description: 'True lets the call run.' },
          reason: { type: 'string' as const, title: 'Reason', description: 'The agent is told it.' },
        },
        required: ['confirm'],
      },
    },
  }
}

export const questionsOf = (calls: readonly WaitingCall[]) =>
  Object.fromEntries(calls.map((call) => [call.callId, questionOf(call)]))

const filledIn = z.object({
  action: z.literal('accept'),
  content: z.object({ confirm: z.boolean(), reason: z.string().max(10_000).optional() }),
})
const declined = z.object({ action: z.literal('decline') })

export interface Decision {
  readonly approved: boolean
  readonly reason?: string
}

/** Null: nothing was decided. */
export function decisionOf(response: unknown): Decision | null {
  if (declined.safeParse(response).success) return { approved: false }
  const { data } = filledIn.safeParse(response)
  if (data === undefined) return null
  const { confirm, reason } = data.content
  return { approved: confirm, ...(reason ? { reason } : {}) }
}
