// A task's way to its place in the window of its lane, and what a free place leads to.
//
// 1. While the window has room and nobody waits, a task is admitted at once, in the transaction of its own submission.
// 2. A place is freed by the task's end, and whoever is next is admitted in the same decision. So somebody waits only
//    while the window is full, and a full window has tasks whose end will be heard.
// 3. Every decision here may be made again for a task that has its place already, and then decides the same.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { failure } from '../../runtime/errors.ts'
import type { Decision, Emit, Failure, StageEvent } from '../../runtime/stage.ts'
import type { TaskAdmitted } from '../../schemas/generated/events.ts'
import { rowOf, type Place, type Schedule, type Waiting } from './schedule.ts'

type QueueLimits = Fleet['limits']['queue']
type Placed = Pick<Decision, 'emit' | 'lane' | 'timers'>

/** Places that one decision fills; the next ones fill what is left. */
const MAX_ADMITTED_AT_ONCE = 50

const atWork: Place = { at: 'work' }

/** Admitted, or put where it waits; or why it may not wait. */
export function place(
  event: StageEvent,
  task: TaskAdmitted,
  lane: Schedule,
  limits: QueueLimits,
): Placed | { rejected: Failure } {
  const { taskId } = task
  const room = limits.inFlight - lane.working
  if (lane.isAtWork(taskId) || (room > 0 && lane.waiting === 0))
    return { lane: { [rowOf(taskId)]: atWork }, emit: admission(task, event.atMs) }
  const full = lane.waitingTask(taskId) ? null : queueFull(task, lane, limits)
  if (full) return { rejected: full }
  const next = filled(lane, room, event.atMs)
  const queued = lane.queued(task, event.traceparent ?? null)
  const detail = { priority: task.priority, waiting: lane.waiting, inFlight: lane.working }
  return {
    lane: { ...next.lane, [rowOf(taskId)]: queued },
    emit: [...next.emit, progressed(taskId, 'queued', event.atMs, detail)],
    timers: { deadline: task.deadlineMs },
  }
}

/** These tasks have ended, wherever they were: their places go to whoever is next. */
export function released(
  taskIds: readonly string[],
  lane: Schedule,
  limits: QueueLimits,
  atMs: number,
): Placed {
  const left = taskIds.filter((taskId) => lane.isAtWork(taskId) || lane.waitingTask(taskId))
  const freed = left.filter((taskId) => lane.isAtWork(taskId)).length
  const next = filled(lane, limits.inFlight - lane.working + freed, atMs, left)
  if (left.length === 0) return next
  const rows = Object.fromEntries(left.map((taskId) => [rowOf(taskId), null]))
  return { ...next, lane: { ...next.lane, ...rows } }
}

function filled(lane: Schedule, room: number, atMs: number, except: readonly string[] = []) {
  const next = lane.next(Math.max(0, Math.min(room, MAX_ADMITTED_AT_ONCE)), except)
  const rows: Record<string, Place> = {}
  for (const { task } of next) rows[rowOf(task.taskId)] = atWork
  return {
    ...(next.length > 0 ? { lane: rows as Record<string, Place | null> } : {}),
    emit: next.flatMap((waiting) => admission(waiting.task, atMs, waiting)),
  }
}

function admission(task: TaskAdmitted, atMs: number, waited?: Waiting): Emit[] {
  const { taskId, agent, mode, profile, models, modelReason, maxSteps, deadlineMs } = task
  const detail = { agent, mode, profile, model: models[0] ?? null, modelReason, maxSteps, deadlineMs }
  const queuedMs = waited ? { queuedMs: Math.max(0, atMs - task.submittedAtMs) } : {}
  const emits: Emit[] = [
    { topic: 'tasks.admitted', type: 'TaskAdmitted', data: task },
    progressed(taskId, 'admitted', atMs, { ...detail, ...queuedMs }),
  ]
  // Another task's end admits it: its own trace goes on.
  if (waited?.traceparent) for (const emit of emits) emit.traceparent = waited.traceparent
  return emits
}

function progressed(
  taskId: string,
  kind: 'admitted' | 'queued',
  atMs: number,
  detail: Record<string, string | number | null>,
): Emit {
  return {
    topic: 'tasks.history',
    type: 'TaskProgressed',
    data: { taskId, stage: 'router', kind, step: null, atMs, detail },
  }
}

function queueFull(task: TaskAdmitted, lane: Schedule, limits: QueueLimits): Failure | null {
  const ofUser = lane.waitingBeside(task)
  if (ofUser >= limits.waitingPerUser) {
    const who = task.userId === null ? 'Tasks without a user' : `Tasks of user "${task.userId}"`
    const message = `${who} wait already, ${ofUser} of them in this lane (limits.queue.waitingPerUser). Submit again when some are done.`
    return failure('QUEUE_FULL', message)
  }
  if (lane.waiting < limits.waiting) return null
  const message = `${lane.waiting} tasks wait already in this lane (limits.queue.waiting). Submit again when some are done.`
  return failure('QUEUE_FULL', message)
}
