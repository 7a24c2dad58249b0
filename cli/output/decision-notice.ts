// How a call that waits for a person can be decided, in words.
import { quoted } from './quoted.ts'

export interface WaitingCall {
  readonly taskId: string
  readonly callId: string
  readonly tool: string
  readonly why: string
  /** The wait; null: a history of an older version does not say. */
  readonly heldAtMs: number | null
}

/** The commands that decide it, where another command reaches the fleet. */
export function decidedByCommand({
  taskId,
  callId,
  why,
}: Pick<WaitingCall, 'taskId' | 'callId' | 'why'>): string {
  const call = `${shellWord(taskId)} ${shellWord(callId)}`
  const approve = `flotilla approvals approve ${call}`
  if (why === 'question') return `${approve} --answer '…' (or: flotilla approvals deny ${call})`
  if (why === 'doubt') return `${approve} --took-effect --answer '…' (or: ${approve} --no-effect)`
  return `${approve} (or: flotilla approvals deny ${call})`
}

/** No other command reaches a fleet that runs inside this one. */
export const decidedLater = (call: WaitingCall): string =>
  `leave it with Ctrl-C, twice; then flotilla start, and ${decidedByCommand(call)}`

/** The text as one word of a shell. */
export const shellWord = (text: string): string => (/^[\w.:@%+-]+$/.test(text) ? text : quoted(text))
