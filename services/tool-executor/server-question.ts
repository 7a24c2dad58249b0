// Questions of MCP servers: the call waits for a person under its own key (held.ts). Answered, one that has done nothing
// yet is made again with the answer and the state that its server wants back; a task of the server's gets the answer, and
// is asked on (polling.ts).
import { defaultTerms } from '../../runtime/config/approvals.ts'
import type { ToolSpec } from '../../runtime/config/fleet.ts'
import type { Decision } from '../../runtime/stage.ts'
import type { ServerQuestion } from './call.ts'
import { heldFrom } from './gate.ts'
import { hold, type At } from './held.ts'
import type { Held, ToolRows } from './rows.ts'

/** Its terms are those of the tool's approvals. */
export function askForServer(
  call: Pick<Held, 'request' | 'askedMs' | 'polling'> & {
    readonly firstMs: number
    readonly before: Held['before']
  },
  spec: Pick<ToolSpec, 'approval'>,
  question: ServerQuestion,
  at: At,
): Decision<ToolRows> {
  const { request, askedMs, firstMs, before, polling } = call
  const from = heldFrom(spec.approval ?? defaultTerms, 'server', at.atMs)
  const terms = { ...from.terms, answer: question.answer }
  const asked = {
    ...{ request, askedMs, firstMs, question },
    ...(before && { before }),
    ...(polling && { polling }),
  }
  return hold({ ...asked, why: 'question', ...from, terms }, at)
}
