// tools/call: a task of an agent.
//
// 1. A client with Tasks is answered once the task is durable, and polls (tasks.ts). Every other waits for the result;
//    if it leaves before, the task is cancelled, because nobody can get its answer any more, unless another one waits for it.
// 2. A call that waits for a person ends the round of a client that can ask one: the state that it returns with leads
//    back to the same task. Without a person at the client the answer waits until somebody decides elsewhere.
import type { CallToolResult, InputRequests, InputRequiredResult, Result } from '@modelcontextprotocol/server'
import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server'
import type { AgentTool } from '../../../api/agents.ts'
import type { StreamedEvent } from '../../../client/types.ts'
import { askedOf } from '../../../runtime/ledger/asked.ts'
import { FlotillaError, hasCode } from '../../../runtime/errors.ts'
import { shown } from '../../../schemas/identity.ts'
import { argumentProblems, taskOf } from './agent-tools.ts'
import type { McpFleet } from './fleet.ts'
import { progressOf } from './progress.ts'
import { readState, writeState, type RequestState } from './request-state.ts'
import { argumentsRefused, toolResult } from './results.ts'
import { createdTask } from './tasks.ts'
import { decisionAbout, decisionOf, questionsOf } from './forms.ts'
import { waitingCalls, type WaitingCall } from './waiting.ts'

export interface Call {
  readonly name: string
  readonly arguments: Record<string, unknown>
  /** Revision 2026-07-28 or later. */
  readonly isModern: boolean
  readonly signal: AbortSignal
  /** Null: the client asked for no notifications. */
  readonly progress: ((message: string) => Promise<void>) | null
  /** Whether the client declared Tasks, and whether it can ask a person by a form. */
  readonly canTask: boolean
  readonly canAsk: boolean
  readonly requestState: string | undefined
  readonly inputResponses: Readonly<Record<string, unknown>>
  readonly taskId: string | undefined
  readonly userId: string | undefined
}

export type Answer = CallToolResult | InputRequiredResult | Result

/** `needsTasks` throws the error for a client that must declare Tasks. */
export async function callAgent(fleet: McpFleet, call: Call, needsTasks: () => never): Promise<Answer> {
  const tool = (await fleet.tools()).find(({ name }) => name === call.name)
  if (!tool) throw unknownTool(call.name)
  if (tool.tasks === 'always' && !call.canTask) needsTasks()
  const problems = argumentProblems(tool, call.arguments)
  if (problems.length > 0) return argumentsRefused(problems)
  if (call.requestState !== undefined) return resume(fleet, tool, call, call.requestState)
  const taskId = await fleet.submit({ ...taskOf(tool, call.arguments), ...identityOf(call) })
  if (call.canTask && tool.tasks !== 'never' && fleet.may('tasks:read')) return createdTask(taskId)
  return follow(fleet, tool, call, { taskId, decided: new Set() })
}

const identityOf = ({ taskId, userId }: Call) => ({
  ...(taskId === undefined ? {} : { taskId }),
  ...(userId === undefined ? {} : { userId }),
})

const unknownTool = (name: string): ProtocolError =>
  new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${shown(name)}`)

async function resume(fleet: McpFleet, tool: AgentTool, call: Call, text: string): Promise<Answer> {
  const { task: taskId } = await verified(fleet, tool, call, text)
  const decided = new Set<string>()
  for (const waiting of await askable(fleet, taskId)) {
    const { key } = waiting
    const response = Object.hasOwn(call.inputResponses, key) ? call.inputResponses[key] : null
    const decision = decisionOf(waiting, response)
    if (decision === null) continue
    await fleet.decide(decisionAbout(taskId, waiting, decision))
    decided.add(key)
  }
  const open = mayAsk(fleet, call) ? await askable(fleet, taskId, decided) : []
  return open.length > 0 ? askAbout(taskId, open) : follow(fleet, tool, call, { taskId, decided })
}

/** Calls of the task about which its client was not asked yet; `decided`: the keys that it has answered just now. */
async function askable(
  fleet: McpFleet,
  taskId: string,
  decided: ReadonlySet<string> = new Set(),
): Promise<WaitingCall[]> {
  const waiting = waitingCalls((await fleet.state(taskId)).events)
  return waiting.filter(({ key, isCounted }) => !isCounted && !decided.has(key))
}

/** The state of a task that the client may read, which was asked this of this agent. */
async function verified(fleet: McpFleet, tool: AgentTool, call: Call, text: string): Promise<RequestState> {
  const state = readState(text)
  if (state === null) throw invalidState()
  const task = await fleet.state(state.task).catch((error: unknown) => {
    if (hasCode(error, 'TASK_UNKNOWN')) throw invalidState()
    throw error
  })
  const asked = askedOf(taskOf(tool, call.arguments).text).text_hash
  if (task.agent !== tool.agent || (task.textHash !== null && task.textHash !== asked)) throw invalidState()
  return state
}

const invalidState = (): ProtocolError =>
  new ProtocolError(ProtocolErrorCode.InvalidParams, 'Invalid or expired requestState', {
    reason: 'invalid_request_state',
  })

const mayAsk = (fleet: McpFleet, { canAsk }: Call): boolean => canAsk && fleet.may('approvals:decide')

function askAbout(taskId: string, open: readonly WaitingCall[]): InputRequiredResult {
  const calls = open.map(({ key }) => key)
  return {
    resultType: 'input_required',
    inputRequests: questionsOf(open) as unknown as InputRequests,
    requestState: writeState({ task: taskId, calls }),
  }
}

/** A call begins to wait, or goes on because a decision did not count. */
const mayWait = ({ type }: StreamedEvent): boolean =>
  type === 'approval.requested' || type === 'approval.decided'

interface Followed {
  readonly taskId: string
  /** Keys that this request has answered, which the history may not say yet. */
  readonly decided: ReadonlySet<string>
}

async function follow(
  fleet: McpFleet,
  tool: AgentTool,
  call: Call,
  { taskId, decided }: Followed,
): Promise<Answer> {
  const events = fleet.events(taskId)
  const release = fleet.hold(taskId)
  let isLast = true
  const leave = (): void => void events[Symbol.asyncDispose]().then(undefined, () => {})
  call.signal.addEventListener('abort', leave, { once: true })
  try {
    if (!call.signal.aborted)
      for await (const event of events) {
        if (event.type === 'result') return toolResult(event.result, { ...tool, isModern: call.isModern })
        if (mayWait(event) && mayAsk(fleet, call)) {
          const open = await askable(fleet, taskId, decided)
          if (open.length > 0) return askAbout(taskId, open)
        }
        const message = progressOf(event)
        if (message !== null) await call.progress?.(message)
      }
  } catch (error) {
    // A notification to a client that has left fails, too.
    if (!call.signal.aborted) throw error
  } finally {
    call.signal.removeEventListener('abort', leave)
    leave()
    isLast = release()
  }
  if (!call.signal.aborted)
    throw new FlotillaError('EVENTS_GONE', `the history of task ${taskId} ended early`)
  if (isLast) await fleet.cancel(taskId, 'the MCP client left before the answer')
  throw new FlotillaError('TASK_CANCELLED', 'the client left')
}
