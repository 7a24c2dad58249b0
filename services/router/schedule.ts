// The tasks of one lane: those that run, and the queue of those that wait for a slot.
//
// 1. A row for each task, `task:<id>`: running, held because calls of it wait for people, or waiting with all that its
//    admission needs: queued for a slot, or for the turn of its session. Other rows belong to cancels.ts and
//    answered.ts. A held task has no slot; it takes one again when it goes on, even if none is free, so that nobody
//    waits twice.
// 2. Higher priorities first. Within a priority users take turns: a task's `turn` is one past the turn served
//    last and past the user's own last one; the lowest turn is next, among equals the oldest. So a user who
//    comes late waits for at most one task of each other user, however many they have queued.
// 3. A queued task whose row the blob store has lost can't be admitted: only its id is known, and it is
//    ended.
// 4. Which task is next follows from the rows alone. The count of turns served is lost with the lane; it only
//    says where users who come later begin.
import TinyQueue from 'tinyqueue'
import { MissingRow } from '../../runtime/errors/missing-row.ts'
import type { LaneIndex } from '../../runtime/stage.ts'
import type { TaskAdmitted } from '../../schemas/generated/events.ts'
import { Answered } from './answered.ts'
import { Cancels } from './cancels.ts'

export interface Waiting {
  readonly turn: number
  /** Order of arrival. */
  readonly order: number
  readonly task: TaskAdmitted
  /** Trace context of its submission. */
  readonly traceparent: string | null
}

/** Waits until its session says that it is its turn. */
export interface InSession extends Pick<Waiting, 'task' | 'traceparent'> {
  /** Its history is instructions of the application, and stands before what the session remembers. Absent: in place of it. */
  readonly keepsMemory?: true
}

/** A row of the lane. */
export type ScheduleRow =
  | { readonly at: 'work'; readonly isDelegated?: true }
  | { readonly at: 'held'; readonly callIds: readonly string[] }
  | ({ readonly at: 'queue' } & Waiting)
  | ({ readonly at: 'session' } & InSession)

const PREFIX = 'task:'

export const rowOf = (taskId: string): string => PREFIX + taskId

/** Stale entries that the queue may hold beyond the number of its live ones. */
const MAX_STALE = 1_000

/** Identifies a user within a priority. */
const lineOf = ({ priority, userId }: TaskAdmitted): string => `${priority} ${userId ?? ''}`

interface Line {
  lastTurn: number
  count: number
}

export class Schedule implements LaneIndex {
  /** Cancels of tasks that neither run nor wait, nor were answered. */
  readonly cancels = new Cancels()
  readonly answered = new Answered()
  readonly #running = new Set<string>()
  /** The calls that wait, by task. */
  readonly #held = new Map<string, readonly string[]>()
  /** Tasks that run without a slot, beside the one that waits for them. */
  readonly #delegated = new Set<string>()
  readonly #waiting = new Map<string, Waiting>()
  readonly #inSession = new Map<string, InSession>()
  readonly #lost = new Set<string>()
  readonly #lines = new Map<string, Line>()
  /** By priority, the highest turn that was served. */
  readonly #served = new Map<number, number>()
  #queue = new TinyQueue<Waiting>([], byTurn)
  #order = 0

  write(name: string, value: unknown): void {
    if (this.answered.write(name, value) || this.cancels.write(name, value)) return
    const taskId = name.slice(PREFIX.length)
    if (value instanceof MissingRow) return void this.#lost.add(taskId)
    this.#lost.delete(taskId)
    const row = value as ScheduleRow | null
    const left = this.#leave(taskId)
    this.#running.delete(taskId)
    this.#held.delete(taskId)
    this.#delegated.delete(taskId)
    this.#inSession.delete(taskId)
    if (row?.at === 'session') this.#inSession.set(taskId, row)
    if (row?.at === 'queue') this.#enter(taskId, row)
    if (row?.at === 'held') this.#held.set(taskId, row.callIds)
    if (row?.at !== 'work') return
    if (row.isDelegated) return void this.#delegated.add(taskId)
    this.#running.add(taskId)
    if (left) this.#served.set(left.task.priority, Math.max(this.#servedOf(left.task.priority), left.turn))
  }

  /** Tasks that have a slot. */
  get running(): number {
    return this.#running.size
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** Whether it was admitted and has not ended, with or without a slot. */
  isRunning(taskId: string): boolean {
    return this.#running.has(taskId) || this.#held.has(taskId) || this.#delegated.has(taskId)
  }

  isDelegated(taskId: string): boolean {
    return this.#delegated.has(taskId)
  }

  hasSlot(taskId: string): boolean {
    return this.#running.has(taskId)
  }

  /** Its calls that wait for people; undefined if it has a slot, or is unknown. */
  heldCalls(taskId: string): readonly string[] | undefined {
    return this.#held.get(taskId)
  }

  isLost(taskId: string): boolean {
    return this.#lost.has(taskId)
  }

  waitingTask(taskId: string): Waiting | undefined {
    return this.#waiting.get(taskId)
  }

  /** Tasks that wait for their sessions. */
  get inSession(): number {
    return this.#inSession.size
  }

  taskInSession(taskId: string): InSession | undefined {
    return this.#inSession.get(taskId)
  }

  /** A task that waits, for a slot or for its session. */
  heldTask(taskId: string): TaskAdmitted | undefined {
    return (this.#waiting.get(taskId) ?? this.#inSession.get(taskId))?.task
  }

  /** How many tasks of this task's user wait at its priority. */
  waitingBeside(task: TaskAdmitted): number {
    return this.#lines.get(lineOf(task))?.count ?? 0
  }

  /** The row of a task that is queued now. */
  queuedRow(task: TaskAdmitted, traceparent: string | null): ScheduleRow {
    const lastTurn = this.#lines.get(lineOf(task))?.lastTurn ?? 0
    const turn = Math.max(lastTurn, this.#servedOf(task.priority)) + 1
    return { at: 'queue', turn, order: this.#order + 1, task, traceparent }
  }

  /** The first `count` queued tasks in their order, without `except`. */
  next(count: number, except: readonly string[] = []): Waiting[] {
    const found: Waiting[] = []
    const passed: Waiting[] = []
    while (found.length < count) {
      const first = this.#queue.pop()
      if (first === undefined) break
      if (this.#waiting.get(first.task.taskId) !== first) continue
      passed.push(first)
      if (!except.includes(first.task.taskId)) found.push(first)
    }
    // Looking changes nothing: they leave the queue when their rows are written.
    for (const waiting of passed) this.#queue.push(waiting)
    return found
  }

  #servedOf(priority: number): number {
    return this.#served.get(priority) ?? 0
  }

  #enter(taskId: string, waiting: Waiting): void {
    this.#waiting.set(taskId, waiting)
    this.#queue.push(waiting)
    this.#order = Math.max(this.#order, waiting.order)
    const line = this.#lines.get(lineOf(waiting.task)) ?? { lastTurn: 0, count: 0 }
    line.lastTurn = Math.max(line.lastTurn, waiting.turn)
    line.count++
    this.#lines.set(lineOf(waiting.task), line)
  }

  #leave(taskId: string): Waiting | undefined {
    const waiting = this.#waiting.get(taskId)
    if (waiting === undefined) return undefined
    this.#waiting.delete(taskId)
    const line = this.#lines.get(lineOf(waiting.task))
    if (line && --line.count === 0) this.#lines.delete(lineOf(waiting.task))
    if (this.#queue.length > 2 * this.#waiting.size + MAX_STALE)
      this.#queue = new TinyQueue([...this.#waiting.values()], byTurn)
    return waiting
  }
}

function byTurn(a: Waiting, b: Waiting): number {
  return b.task.priority - a.task.priority || a.turn - b.turn || a.order - b.order
}
