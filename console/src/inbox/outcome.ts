// What became of a decision: the gateway takes it, the stage that holds the call decides whether it counts. Somebody
// else may have been first, in another tab or by another way.
import { get, type DecisionBody, type Got, type TaskDetail } from '../api/client.ts'
import { line } from '../text.ts'
import { fieldsOf, textOf, type Fields } from './calls.ts'

export type Outcome =
  /** It counts: the call is decided, or others must agree. */
  | { readonly is: 'counted'; readonly isFinal: boolean }
  /** The call still waits. */
  | { readonly is: 'refused'; readonly problem: string }
  /** The call does not wait any more, by no decision of ours. */
  | { readonly is: 'late'; readonly text: string }
  /** The stage has not read it yet. */
  | { readonly is: 'open' }

interface Sent {
  readonly callId: string
  readonly body: DecisionBody
  /** By whom, as the fleet records it. */
  readonly by: string | null
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? null) === JSON.stringify(b ?? null)

/** Those about the wait that is meant: a call may wait several times. */
function decisionsAbout(events: TaskDetail['events'], callId: string, heldAtMs: number | null): Fields[] {
  let isMeant = true
  return events.flatMap(({ kind, detail }) => {
    const fields = fieldsOf(detail)
    if (fields['callId'] !== callId) return []
    if (kind === 'approval_requested') isMeant = heldAtMs === null || fields['heldAtMs'] === heldAtMs
    return kind === 'approval_decided' && isMeant ? [fields] : []
  })
}

/** By the history of the task. */
export function outcomeIn({ events }: Pick<TaskDetail, 'events'>, { callId, body, by }: Sent): Outcome {
  const decisions = decisionsAbout(events, callId, body.heldAtMs ?? null)
  const isOurs = (fields: Fields): boolean =>
    fields['approved'] === body.approved &&
    same(fields['by'], by) &&
    same(fields['reason'], body.reason) &&
    same(fields['arguments'], body.arguments) &&
    same(fields['answer'], body.answer)
  const final = decisions.find((fields) => fields['final'] === true)
  if (final !== undefined)
    return isOurs(final) ? { is: 'counted', isFinal: true } : { is: 'late', text: saidBy(final) }
  const ours = decisions.findLast(isOurs)
  const problem = textOf(ours?.['problem'])
  if (problem !== '') return { is: 'refused', problem }
  if (ours !== undefined) return { is: 'counted', isFinal: false }
  const isOver = events.some(({ kind }) => kind === 'completed')
  return isOver ? { is: 'late', text: 'the task has ended' } : { is: 'open' }
}

type Recorded = Pick<Got<'/v1/approvals'>[number], 'callId' | 'status' | 'approval'>

/** By the ledger, for a task that has ended: its history is its result. */
export function outcomeAfter(calls: readonly Recorded[], { callId, body, by }: Sent): Outcome {
  const call = calls.find((each) => each.callId === callId)
  if (call === undefined || call.status === 'waiting') return { is: 'open' }
  const { decisions, edited } = fieldsOf(call.approval)
  const last = fieldsOf(Array.isArray(decisions) ? decisions.at(-1) : null)
  const isOurs =
    last['approved'] === body.approved &&
    same(last['by'], by) &&
    same(last['reason'], body.reason) &&
    (!body.approved || edited === undefined || same(edited, body.arguments))
  if (isOurs) return { is: 'counted', isFinal: true }
  return { is: 'late', text: saidBy({ outcome: call.status, by: last['by'] }) }
}

function saidBy(fields: Fields): string {
  const [outcome, by] = [textOf(fields['outcome']), textOf(fields['by'])]
  if (outcome === 'expired' || outcome === 'withdrawn')
    return outcome === 'expired' ? 'it has expired' : 'it was withdrawn'
  return `${line(outcome, 30)} by ${by === '' ? 'somebody else' : line(by, 60)}`
}

/** How long the stage may take before it counts as busy. */
const PATIENCE_MS = 10_000
const FIRST_LOOK_MS = 150
const MOST_PAUSE_MS = 1_500

/** Resolves once the history says it, or is still silent after a while. */
export async function outcomeOf(taskId: string, sent: Sent): Promise<Outcome> {
  const until = performance.now() + PATIENCE_MS
  for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(MOST_PAUSE_MS, pauseMs * 2)) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
    const outcome = await look(taskId, sent).catch((): Outcome => ({ is: 'open' }))
    if (outcome.is !== 'open' || performance.now() >= until) return outcome
  }
}

async function look(taskId: string, sent: Sent): Promise<Outcome> {
  const task = await get('/v1/tasks/:id', { params: { id: taskId } })
  if (task.events.length > 0) return outcomeIn(task, sent)
  return outcomeAfter(await get('/v1/approvals', { query: { task: taskId, status: 'all' } }), sent)
}
