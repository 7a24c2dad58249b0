// Admits a task, or queues it while the lane is full; admits the next one when a slot is freed.
//
// 1. While a slot is free and no task is queued, a task is admitted at once, in the transaction of its own
//    submission.
// 2. A slot is freed by the task's end, and the next task is admitted in the same decision. So tasks wait
//    only while the lane is full, and a full lane has tasks whose end will arrive.
// 3. A task frees its slot while calls of it, or of tasks that it delegated, wait for people, and takes it again, over the limit if need be:
//    a task that was begun is never queued.
// 4. Every decision here may be repeated for a task that has its slot already, with the same result.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { failure } from '../../runtime/errors.ts'
import { plural } from '../../runtime/text/quantities.ts'
import type { Decision, Emit, Failure, StageEvent } from '../../runtime/stage.ts'
import type { TaskAdmitted } from '../../schemas/generated/events.ts'
import { laneRow, laneRows } from './lane-row.ts'
import { rowOf, type ScheduleRow, type Schedule } from './schedule.ts'

type QueueLimits = Fleet['limits']['queue']
type Placed = Pick<Decision, 'emit' | 'lane' | 'timers'>

/** Slots that one decision fills; later decisions fill the rest. */
const MAX_ADMITTED_AT_ONCE = 50

const running: ScheduleRow = { at: 'work' }
const delegated: ScheduleRow = { at: 'work', isDelegated: true }

/**
 * Admits the task or queues it, a delegated one at once (admission/delegated.ts); or says why it can't be queued.
 * `traceparent`: that of its submission.
 */
export function admitOrQueue(
  event: StageEvent,
  task: TaskAdmitted,
  lane: Schedule,
  limits: QueueLimits,
  traceparent: string | null = null,
): Placed | { rejected: Failure } {
  const { taskId } = task
  if (task.askedBy)
    return { lane: laneRow(rowOf(taskId), delegated), emit: admissionEvents(task, event.atMs, traceparent) }
  const room = limits.inFlight - lane.running
  if (lane.isRunning(taskId) || (room > 0 && lane.waiting === 0))
    return { lane: laneRow(rowOf(taskId), running), emit: admissionEvents(task, event.atMs, traceparent) }
  const full = lane.waitingTask(taskId) ? null : queueFull(task, lane, limits)
  if (full) return { rejected: full }
  const next = fillSlots(lane, room, event.atMs)
  const rows = next.lane ?? laneRows()
  rows[rowOf(taskId)] = lane.queuedRow(task, traceparent ?? event.traceparent ?? null)
  const detail = { priority: task.priority, waiting: lane.waiting, inFlight: lane.running }
  return {
    lane: rows,
    emit: [...next.emit, progressEvent(taskId, 'queued', event.atMs, detail)],
    timers: { deadline: task.deadlineMs },
  }
}

/** Has the task wait for its session, or says why it can't. `keepsMemory`: see InSession. */
export function waitInSession(
  event: StageEvent,
  task: TaskAdmitted,
  lane: Schedule,
  limits: QueueLimits,
  keepsMemory: boolean,
): Placed | { rejected: Failure } {
  const full = lane.taskInSession(task.taskId) ? null : queueFull(task, lane, limits)
  if (full) return { rejected: full }
  const traceparent = event.traceparent ?? null
  const row: ScheduleRow = { at: 'session', task, traceparent, ...(keepsMemory && { keepsMemory }) }
  return { lane: laneRow(rowOf(task.taskId), row), timers: { deadline: task.deadlineMs } }
}

/** These tasks have ended, running or queued: their slots go to the next ones in the queue. */
export function release(
  taskIds: readonly string[],
  lane: Schedule,
  limits: QueueLimits,
  atMs: number,
): Placed {
  const left = taskIds.filter((taskId) => lane.isRunning(taskId) || lane.heldTask(taskId))
  const freed = left.filter((taskId) => lane.hasSlot(taskId)).length
  const next = fillSlots(lane, limits.inFlight - lane.running + freed, atMs, left)
  if (left.length === 0) return next
  const rows = next.lane ?? laneRows()
  for (const taskId of left) rows[rowOf(taskId)] = null
  return { ...next, lane: rows }
}

/** A call of the task waits for a person: the next task takes its slot. */
export function holdTask(
  taskId: string,
  callId: string,
  lane: Schedule,
  limits: QueueLimits,
  atMs: number,
): Placed {
  const held = lane.heldCalls(taskId)
  // Its end may have been read before, from another topic; a delegated one has no slot.
  if (!lane.isRunning(taskId) || lane.isDelegated(taskId) || held?.includes(callId)) return {}
  const freed = lane.hasSlot(taskId) ? 1 : 0
  const next = fillSlots(lane, limits.inFlight - lane.running + freed, atMs)
  const rows = next.lane ?? laneRows()
  rows[rowOf(taskId)] = { at: 'held', callIds: [...(held ?? []), callId] }
  return { ...next, lane: rows }
}

/** The call waits no more: the task has a slot again once none does. */
export function resumeTask(taskId: string, callId: string, lane: Schedule): Placed {
  const held = lane.heldCalls(taskId)
  if (!held?.includes(callId)) return {}
  const callIds = held.filter((id) => id !== callId)
  const row: ScheduleRow = callIds.length > 0 ? { at: 'held', callIds } : running
  return { lane: laneRow(rowOf(taskId), row) }
}

function fillSlots(lane: Schedule, room: number, atMs: number, except: readonly string[] = []) {
  const next = lane.next(Math.max(0, Math.min(room, MAX_ADMITTED_AT_ONCE)), except)
  const rows = laneRows<ScheduleRow | null>()
  for (const { task } of next) rows[rowOf(task.taskId)] = running
  return {
    ...(next.length > 0 ? { lane: rows } : {}),
    emit: next.flatMap((waiting) => admissionEvents(waiting.task, atMs, waiting.traceparent, true)),
  }
}

/** Fields that rows of earlier versions lack. */
const lacking = {
  forkedFrom: null,
  forkedFromStep: null,
  toolPolicy: null,
  policyTools: null,
  instructions: null,
  recording: null,
  history: null,
  askedBy: null,
  variables: null,
} as const

function admissionEvents(
  task: TaskAdmitted,
  atMs: number,
  traceparent: string | null,
  waited = false,
): Emit[] {
  const { taskId, userId, agent, mode, profile, models, modelReason, maxSteps, deadlineMs } = task
  const model = models[0] ?? null
  const { forkedFrom = null, forkedFromStep = null, toolPolicy = null } = task
  const fork = forkedFrom === null && toolPolicy === null ? {} : { forkedFrom, forkedFromStep, toolPolicy }
  const detail = { userId, agent, mode, profile, model, modelReason, maxSteps, deadlineMs, ...fork }
  const queuedMs = waited ? { queuedMs: Math.max(0, atMs - task.submittedAtMs) } : {}
  const emits: Emit[] = [
    {
      topic: 'tasks.admitted',
      type: 'TaskAdmitted',
      data: { ...lacking, ...task },
    },
    progressEvent(taskId, 'admitted', atMs, { ...detail, ...queuedMs }),
  ]
  // Another task's end, or its session, admits it: its own trace is continued.
  if (traceparent !== null) for (const emit of emits) emit.traceparent = traceparent
  return emits
}

function progressEvent(
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
    const message = `${who} fill their part of the queue: ${ofUser} in this lane (limits.queue.waitingPerUser).`
    return failure('QUEUE_FULL', message)
  }
  const waiting = lane.waiting + lane.inSession
  if (waiting < limits.waiting) return null
  const message = `The queue of this lane is full: ${plural(waiting, 'task')} (limits.queue.waiting).`
  return failure('QUEUE_FULL', message)
}
