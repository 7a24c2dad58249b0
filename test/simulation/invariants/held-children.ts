// Tasks that other agents asked for, while a call of theirs waits for a person.
import type { TaskCompleted, TaskDelegated } from '../../../schemas/generated/events.ts'
import { grouped, type Evidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

/** Longest time until news has passed every level of a tree, with a process that dies or is paused meanwhile. */
const NEWS_MS = 15_000

interface Wait {
  readonly taskId: string
  readonly callId: string
  readonly fromMs: number
  /** Infinity: it was never released; it ended with its task. */
  readonly untilMs: number
}

interface End {
  readonly data: TaskCompleted
  readonly atMs: number
}

export function checkHeldChildren(_run: Simulation, evidence: Evidence): string[] {
  const askers = new Map(evidence.of('TaskDelegated').map(({ data }) => [data.taskId, data]))
  const ends = new Map(evidence.of('TaskCompleted').map(({ data, atMs }) => [data.taskId, { data, atMs }]))
  const released = new Map(
    evidence.of('CallReleased').map(({ data }) => [`${data.taskId} ${data.callId}`, data.atMs]),
  )
  const waits = evidence.of('CallHeld').map(({ data: { taskId, callId, heldAtMs } }) => ({
    ...{ taskId, callId, fromMs: heldAtMs },
    untilMs: Math.min(released.get(`${taskId} ${callId}`) ?? Infinity, ends.get(taskId)?.atMs ?? Infinity),
  }))
  return [
    ...waits.flatMap((wait) => above(wait.taskId, askers).flatMap((asker) => ofOne(wait, asker, ends))),
    ...answeredOnce(evidence, waits),
  ]
}

/** The tasks that wait for this one, the nearest first. */
function above(taskId: string, askers: ReadonlyMap<string, TaskDelegated>): string[] {
  const found: string[] = []
  for (let task = askers.get(taskId); task !== undefined; task = askers.get(task.askedBy.taskId))
    found.push(task.askedBy.taskId)
  return found
}

/** Those above have no deadline meanwhile, and when one ends nonetheless, the call does not go on waiting. */
function ofOne(
  { taskId, callId, fromMs, untilMs }: Wait,
  asker: string,
  ends: ReadonlyMap<string, End>,
): string[] {
  const end = ends.get(asker)
  if (!end || end.atMs < fromMs || end.atMs > untilMs) return []
  const waitedMs = end.atMs - fromMs
  if (end.data.status === 'timed_out' && waitedMs > NEWS_MS)
    return [
      `${asker} timed out ${waitedMs} ms after call ${callId} of ${taskId}, below it, had begun to wait`,
    ]
  const goesOnMs = untilMs - end.atMs
  return goesOnMs > NEWS_MS
    ? [`call ${callId} of ${taskId} waited for ${goesOnMs} ms after ${asker}, above it, had ended`]
    : []
}

/** A task that waited answers as any other: once, and after the wait. */
function answeredOnce(evidence: Evidence, waits: readonly Wait[]): string[] {
  const answers = grouped(evidence.of('DelegationEnded'), ({ data }) => data.child.taskId)
  return waits.flatMap(({ taskId, callId, untilMs }) => {
    const [answer, ...more] = answers.get(taskId) ?? []
    if (more.length > 0) return [`${taskId}, whose call ${callId} waited, answered ${more.length + 1} times`]
    return answer && answer.data.child.status === 'succeeded' && answer.atMs < untilMs
      ? [`${taskId} succeeded while its call ${callId} still waited`]
      : []
  })
}
