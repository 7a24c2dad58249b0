// What a client carries from one round of a call to the next: the task, and the calls that it was asked about.
//
// It is no secret and grants nothing: the task of a returned state is looked up, must be one that the client may read,
// and must have been asked the same of the same agent. So gateways need no key in common, and restart as they like.
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { isTaskId } from '../../../schemas/identity.ts'

const state = z.strictObject({ task: z.string(), calls: z.array(z.string()) })

export type RequestState = z.infer<typeof state>

export function writeState(given: RequestState): string {
  const text = JSON.stringify(given)
  return `${Buffer.from(text).toString('base64url')}.${sumOf(text)}`
}

/** Null: it was not written by `writeState`, or it has been changed since. */
export function readState(text: string): RequestState | null {
  const [body = '', sum, ...more] = text.split('.')
  const json = Buffer.from(body, 'base64url').toString()
  if (more.length > 0 || sum !== sumOf(json)) return null
  try {
    const { data } = state.safeParse(JSON.parse(json))
    return data && isTaskId(data.task) ? data : null
  } catch {
    return null
  }
}

/** Finds accidents. That nothing follows from a forged state, the task's record says. */
const sumOf = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 16)
