// A decision as it is typed, and the request that it becomes.
import type { DecisionBody } from '../api/client.ts'
import type { WaitingCall } from './calls.ts'

export interface Draft {
  readonly reason: string
  readonly name: string
  /** Edited arguments as JSON; null: as asked. */
  readonly edited: string | null
  readonly answer: string
}

interface Chosen {
  readonly approved: boolean
  readonly tookEffect: boolean | undefined
  /** The API is open: the draft says who decides. */
  readonly isOpen: boolean
}

type Json = NonNullable<DecisionBody['answer']> | null

/** `mistake`: what to correct before it can be sent. */
export function bodyOf(
  call: Pick<WaitingCall, 'why' | 'answer' | 'heldAtMs'>,
  draft: Draft,
  { approved, tookEffect, isOpen }: Chosen,
): { readonly body: DecisionBody } | { readonly mistake: string } {
  const [reason, decidedBy] = [draft.reason.trim(), draft.name.trim()]
  const base = {
    approved,
    ...(call.heldAtMs === null ? {} : { heldAtMs: call.heldAtMs }),
    ...(reason === '' ? {} : { reason }),
    ...(isOpen && decidedBy !== '' ? { decidedBy } : {}),
    ...(tookEffect === undefined ? {} : { tookEffect }),
  }
  if (!approved) return { body: base }
  if (call.why === 'approval') {
    if (draft.edited === null) return { body: base }
    const edited = parsed(draft.edited)
    if (edited === undefined) return { mistake: 'The edited arguments are not JSON.' }
    return { body: { ...base, arguments: edited } }
  }
  if (draft.answer.trim() === '')
    return call.why === 'question' ? { mistake: 'Write an answer first.' } : { body: base }
  return { body: { ...base, answer: answerOf(draft.answer.trim(), call.answer) } }
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** Where a text is wanted it is a text, also one that looks like a number. */
function answerOf(text: string, schema: unknown): Json {
  const type = typeof schema === 'object' && schema !== null ? (schema as { type?: unknown }).type : null
  return type === 'string' ? text : (parsed(text) ?? text)
}

/** Answers to choose from, if the question or the schema of its answer names them. */
export function choicesOf({
  arguments: asked,
  answer,
}: Pick<WaitingCall, 'arguments' | 'answer'>): string[] | undefined {
  const { options } = (asked ?? {}) as { options?: unknown }
  const { enum: listed } = (answer ?? {}) as { enum?: unknown }
  const found = [options, listed].find((each): each is unknown[] => Array.isArray(each) && each.length > 0)
  return found?.map(String)
}
