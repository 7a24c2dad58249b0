// Answers of a server that are none: JSON that has the id of a request and no result that MCP allows, such as null, or no
// JSON at all. The package only says that it could not read a message, and leaves the request to its time limit.
import { messageOf } from '../../../../runtime/errors.ts'

/** The part of zod's errors that says where a message is wrong, for each kind of message that it might have been. */
interface Unread {
  readonly issues: readonly {
    readonly errors?: readonly (readonly { readonly path: readonly unknown[] }[])[]
  }[]
}

/** An answer that could not be read. The server works: it has answered. */
export class WrongAnswer extends Error {
  override readonly name = 'WrongAnswer'
}

/** Null if what could not be read was no answer, such as a line of a log. */
export function wrongAnswer(error: unknown): WrongAnswer | null {
  if (error instanceof WrongAnswer) return error
  if (error instanceof SyntaxError) return new WrongAnswer(messageOf(error), { cause: error })
  return isAnswer(error) ? new WrongAnswer('neither a result nor an error', { cause: error }) : null
}

/** As an answer it is wrong in nothing but its result, or its error. */
function isAnswer(error: unknown): boolean {
  const { issues = [] } = (error ?? {}) as Partial<Unread>
  if (!Array.isArray(issues)) return false
  const kinds = (issues as Unread['issues']).flatMap(({ errors = [] }) => errors)
  return kinds.some((mistakes) => mistakes.length > 0 && mistakes.every(({ path }) => isOutcome(path[0])))
}

const isOutcome = (field: unknown): boolean => field === 'result' || field === 'error'
