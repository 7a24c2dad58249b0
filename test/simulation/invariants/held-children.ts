// Tasks that other agents asked for, while a call of theirs waits for a person.
import type { TaskCompleted, TaskDelegated } from '../../../schemas/generated/events.ts'
import { grouped, type Evidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

/**
 * Longest time until news has passed every level of a tree, from the last fault on: lanes of a dead process open again, and
 * an event that ran when two processes died is held back for 10 s on each level (suspects.ts).
 */
const NEWS_MS = 30_000

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

export function checkHeldChildren({ fate }: Simulation, evidence: Evidence): string[] {
  const faultsMs = fate.faults.map(({ atMs }) => atMs)
  const askers = new Map(evidence.of('TaskDelegated').map(({ data }) => [data.taskId, data]))
  const ends = new Map(evidence.of('TaskCompleted').map(({ data, atMs }) => [data.taskId, { data, atMs }]))
  // By the log's clock, as the ends are: clocks of processes differ.
  const released = new Map(
    evidence.of('CallReleased').map(({ data, atMs }) => [`${data.taskId} ${data.callId}`, atMs]),
  )
  const waits = evidence.of('CallHeld').map(({ data: { taskId, callId }, atMs }) => ({
    ...{ taskId, callId, fromMs: atMs },
    untilMs: Math.min(released.get(`${taskId} ${callId}`) ?? Infinity, ends.get(taskId)?.atMs ?? Infinity),
  }))
  return [
    ...waits.flatMap((wait) =>
      above(wait.taskId, askers).flatMap((asker) => ofOne(wait, asker, { ends, faultsMs })),
    ),
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
  { ends, faultsMs }: { readonly ends: ReadonlyMap<string, End>; readonly faultsMs: readonly number[] },
): string[] {
  const end = ends.get(asker)
  if (!end || end.atMs < fromMs || end.atMs > untilMs) return []
  const quietMs = (from: number, until: number): number =>
    until - Math.max(from, ...faultsMs.filter((atMs) => atMs < until))
  const waitedMs = quietMs(fromMs, end.atMs)
  if (end.data.status === 'timed_out' && waitedMs > NEWS_MS)
    return [
      `${asker} timed out ${waitedMs} ms after the last fault, while call ${callId} of ${taskId}, below it, waited`,
    ]
  const goesOnMs = quietMs(end.atMs, untilMs)
  return goesOnMs > NEWS_MS
    ? [
        `call ${callId} of ${taskId} waited for ${goesOnMs} ms after the last fault, though ${asker}, above it, had ended`,
      ]
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
