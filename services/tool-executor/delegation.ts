// Calls of other agents: each becomes a task of that agent, whose end answers the call.
//
// 1. The task's id is the id of the request's event: the same on every run, and known to nobody before. A call has one
//    task; an end that comes from any other task than the one that the row names answers nothing.
// 2. Requests and ends are handled under the asking task's own key, where a cancel finds every row. So two calls of a
//    task never count against its limits at the same time.
// 3. The share of the money is the requester's figure (it waits for all calls of a group, so what it has left is known);
//    here it only becomes smaller.
// 4. A cancel or the end of the asking task cancels its delegated tasks, in the same transaction.
import { delegatesOf, type DelegationLimits } from '../../runtime/config/delegates.ts'
import type { Fleet, ToolSpec } from '../../runtime/config/fleet.ts'
import { failure } from '../../runtime/errors.ts'
import { plural } from '../../runtime/text/quantities.ts'
import type { Decision, Emit } from '../../runtime/stage.ts'
import type { DelegationEnded, Failure, ToolRequested } from '../../schemas/generated/events.ts'
import { completedEvents, progressEvent, type Ending } from './events.ts'
import type { Delegated, ToolRows } from './rows.ts'

type State = Readonly<Partial<ToolRows>>
type Decided = Decision<ToolRows>

/** What a call of another agent is checked against. */
export interface Delegating {
  readonly agents: Fleet['agents']
  readonly limits: DelegationLimits
}

const rowOf = (callId: string, row: Delegated | null): Decided['rows'] & object => ({
  [`child:${callId}`]: row,
})

const childRows = (rows: State): Delegated[] =>
  Object.entries(rows).flatMap(([name, row]) => (name.startsWith('child:') ? [row as Delegated] : []))

/** Ids of the calls whose tasks have not ended. */
export const callIdsOf = (rows: State): string[] => childRows(rows).map(({ request }) => request.callId)

/** Begins the task of the agent that is asked, or says why not. */
export function delegate(
  request: ToolRequested,
  event: { readonly id: string; readonly atMs: number },
  rows: State,
  { agent }: NonNullable<ToolSpec['delegate']>,
  fleet: Delegating,
): Decided {
  const { id: childId, atMs } = event
  const asked = rows.delegated ?? 0
  const denied = denial(request, agent, asked, fleet)
  if (denied)
    return {
      emit: completedEvents(request, { status: 'failed', error: denied, startedAtMs: atMs, endedAtMs: atMs }),
    }
  const { taskId, callId, tool, userId, deadlineMs, delegation } = request
  const { task: text } = argumentsOf(request)
  const maxCost = shareOf(request, fleet)
  const askedBy = { taskId, callId, agents: agentsOf(request) }
  const data = {
    taskId: childId,
    askedBy,
    agent,
    text,
    userId,
    priority: delegation?.priority ?? 0,
    deadlineMs,
    maxCost,
  }
  return {
    rows: { ...rowOf(callId, { request, childId, agent, startedAtMs: atMs }), delegated: asked + 1 },
    emit: [
      { topic: 'tasks.delegated', type: 'TaskDelegated', key: childId, data },
      progressEvent(request, 'delegated', atMs, { callId, tool, child: childId, agent, maxCost }),
    ],
  }
}

const agentsOf = ({ delegation, agent }: ToolRequested): string[] =>
  delegation?.agents ?? (agent === null ? [] : [agent])

function argumentsOf({ arguments: given }: ToolRequested): { task: string; maxCost: number | null } {
  const fields = typeof given === 'object' && given !== null && !Array.isArray(given) ? given : {}
  const { task, max_cost: maxCost } = fields
  return {
    task: typeof task === 'string' ? task.trim() : '',
    maxCost: typeof maxCost === 'number' && maxCost > 0 ? maxCost : null,
  }
}

const delegateOf = ({ agent: asking, tool }: ToolRequested, { agents }: Delegating) =>
  delegatesOf({ agents }, asking).find((delegate) => delegate.tool === tool)

/** The least of what the requester, the configuration and the model allow; null: no limit. */
function shareOf(request: ToolRequested, fleet: Delegating): number | null {
  const limits = [
    request.delegation?.maxCost,
    delegateOf(request, fleet)?.maxCost,
    argumentsOf(request).maxCost,
  ]
  const given = limits.filter((limit) => typeof limit === 'number')
  return given.length === 0 ? null : Math.min(...given)
}

function denial(request: ToolRequested, agent: string, asked: number, fleet: Delegating): Failure | null {
  const { tool, delegation } = request
  const refuse = (code: 'DELEGATION_LIMIT' | 'TOOL_DENIED' | 'TOOL_ARGUMENTS_INVALID', why: string) =>
    failure(code, `${tool} was not called: ${why}`)
  const above = agentsOf(request)
  const { depth, tasks } = fleet.limits
  if (!delegateOf(request, fleet))
    return refuse('TOOL_DENIED', `${agent} is not among the delegates of ${request.agent ?? 'this agent'}`)
  if (request.ask)
    return refuse('TOOL_DENIED', 'no person is asked about a call of another agent; fork with --tools live')
  if (argumentsOf(request).task === '')
    return refuse('TOOL_ARGUMENTS_INVALID', 'task must be a text that says what the agent is to do')
  if (above.includes(agent))
    return refuse(
      'DELEGATION_LIMIT',
      `${agent} is at work on this already (${[...above, agent].join(' → ')})`,
    )
  if (above.length > depth)
    return refuse(
      'DELEGATION_LIMIT',
      `at most ${plural(depth, 'level')} of agents may ask each other (limits.delegation.depth): ${[...above, agent].join(' → ')}`,
    )
  if (asked >= tasks)
    return refuse(
      'DELEGATION_LIMIT',
      `the task has delegated ${plural(asked, 'task')}, the most that it may (limits.delegation.tasks)`,
    )
  if (typeof delegation?.maxCost === 'number' && delegation.maxCost <= 0)
    return refuse('DELEGATION_LIMIT', 'nothing is left of the maxCost of the task; go on without asking')
  return null
}

/** Answers the call. Changes nothing if no call waits for this very task. */
export function endDelegated(
  { callId, child, output, error }: DelegationEnded,
  rows: State,
  atMs: number,
): Decided {
  const row = rows[`child:${callId}`]
  if (!row || row.childId !== child.taskId) return {}
  const at = { startedAtMs: row.startedAtMs, endedAtMs: atMs }
  const why = `${child.agent} did not succeed (${child.status})${error ? `: ${error.code}: ${error.message}` : ''}`
  const ending: Ending =
    child.status === 'succeeded'
      ? { status: 'succeeded', error: null, answer: { output, cached: false }, child, ...at }
      : { status: 'failed', error: failure('DELEGATE_FAILED', why), child, ...at }
  return { rows: rowOf(callId, null), emit: completedEvents(row.request, ending) }
}

/** Cancels delegated tasks; `callIds`: only of these calls, which are answered. Null: of all, because the task is over. */
export function cancelDelegated(
  rows: State,
  { callIds, reason, atMs }: { callIds: readonly string[] | null; reason: string; atMs: number },
): Required<Pick<Decided, 'rows' | 'emit'>> {
  const meant = childRows(rows).filter(({ request }) => callIds === null || callIds.includes(request.callId))
  const error = failure('CALL_ABORTED', `the task of the agent was cancelled: ${reason}`)
  const emit = meant.flatMap(({ request, childId, startedAtMs }): Emit[] => [
    {
      topic: 'tasks.control',
      type: 'TaskCancelled',
      key: childId,
      data: {
        taskId: childId,
        reason: `the task that asked for it (${request.taskId}) no longer needs it`,
        requestedBy: null,
      },
    },
    ...(callIds === null
      ? []
      : completedEvents(request, { status: 'cancelled', error, startedAtMs, endedAtMs: atMs })),
  ])
  return {
    rows: Object.assign({}, ...meant.map(({ request }) => rowOf(request.callId, null))) as Decided['rows'] &
      object,
    emit,
  }
}

/** An end that can't be handled: the call fails. */
export const failDelegated = (
  { callId, child }: DelegationEnded,
  rows: State,
  error: Failure,
  atMs: number,
): Decided =>
  endDelegated({ taskId: '', callId, child: { ...child, status: 'failed' }, output: null, error }, rows, atMs)
