// The turns of a session, as the fleet remembers them, and its open tasks, each followed while it runs.
import { signal } from '@preact/signals'
import { ApiError, asApiError, get, pathWith, type SessionTurn, type TaskView } from '../api/client.ts'
import { follow } from '../api/stream.ts'
import type { StreamEvent } from '../api/stream-event.ts'
import { fleetMs } from '../clock.ts'
import { shown } from '../text.ts'

export interface Turn {
  readonly taskId: string
  readonly asked: string
  readonly answer: string
  readonly status: string
  /** What it does now. */
  readonly activity: string | null
  readonly error: string | null
  /** Null: not known any more. */
  readonly cost: number | null
  readonly tookMs: number | null
  readonly isOver: boolean
}

/** Turns that are loaded at once: the latest, and so many more on demand. */
const PAGE = 50
/** The ledger learns that a task has ended, and that its turn has, by different ways. */
const LAG_MS = 60_000

export class Conversation {
  readonly turns = signal<readonly Turn[]>([])
  readonly error = signal<ApiError | null>(null)
  /** Turns before those that are shown. */
  readonly earlier = signal(0)
  readonly isThere: { value: boolean }
  readonly session: string
  readonly #leaving = new AbortController()
  #isKept = false
  readonly #streams: (() => void)[] = []

  constructor(session: string, isNew: boolean) {
    this.session = session
    this.isThere = signal(isNew)
    if (!isNew) void this.#load()
  }

  /** The page that leaves it next gives it to another one. */
  keep(): this {
    this.#isKept = true
    return this
  }

  leave(): void {
    const isKept = this.#isKept
    this.#isKept = false
    if (isKept) return
    this.#leaving.abort()
    for (const leave of this.#streams) leave()
  }

  add(taskId: string, asked: string): void {
    const turn = {
      taskId,
      asked,
      answer: '',
      status: 'queued',
      activity: null,
      error: null,
      cost: 0,
      tookMs: null,
      isOver: false,
    }
    this.turns.value = [...this.turns.value, turn]
    this.#streams.push(
      follow({
        path: pathWith('/v1/tasks/:id/events', { id: taskId }, { early: true }),
        onEvent: (event) => this.#take(taskId, event),
        onEnd: (error) => {
          if (error !== null) this.#change(taskId, { error: error.message, isOver: true })
        },
        isLast: ({ type }) => type === 'result',
      }),
    )
  }

  /** Asks for what could not be loaded. */
  again = (): void => {
    this.error.value = null
    void (this.isThere.value ? this.loadEarlier() : this.#load())
  }

  /** Loads a page of the turns before those that are shown. */
  async loadEarlier(): Promise<void> {
    const earlier = this.earlier.value
    const limit = Math.min(PAGE, earlier)
    if (limit === 0) return
    try {
      const { list } = await this.#session(limit, earlier - limit)
      const older = list.filter(({ turn }) => turn <= earlier).map((turn) => turnOf(turn, undefined))
      this.turns.value = [...older, ...this.turns.value]
      this.earlier.value = older.length === 0 ? 0 : earlier - limit
    } catch (cause) {
      this.#failed(cause)
    }
  }

  async #load(): Promise<void> {
    const { signal: leaving } = this.#leaving
    try {
      const { tasks } = await get('/v1/tasks', {
        query: { session: this.session, limit: PAGE },
        signal: leaving,
      })
      const ended = await this.#latest()
      const known = new Map(tasks.map((task) => [task.taskId, task]))
      const open = await Promise.all(
        tasks
          .filter((task) => !ended.some(({ taskId }) => taskId === task.taskId) && isUnderWay(task))
          .toReversed()
          .map(async ({ taskId, text }) => ({ taskId, text: await this.#asked(taskId, text) })),
      )
      if (leaving.aborted) return
      this.turns.value = ended.map((turn) => turnOf(turn, known.get(turn.taskId)))
      for (const { taskId, text } of open) this.add(taskId, text)
      this.isThere.value = true
    } catch (cause) {
      this.#failed(cause)
    }
  }

  /** The last turns that have ended; none: its first turn has not, or it was deleted. */
  async #latest(): Promise<readonly SessionTurn[]> {
    try {
      const first = await this.#session(PAGE, 0)
      if (first.next === null) return first.list
      const before = Math.max(0, first.turns - PAGE)
      const { list } = await this.#session(PAGE, before)
      this.earlier.value = before
      return list
    } catch (cause) {
      if (cause instanceof ApiError && cause.code === 'NOT_FOUND') return []
      throw cause
    }
  }

  #session(limit: number, after: number) {
    return get('/v1/sessions/:id', {
      params: { id: this.session },
      query: { limit, after },
      signal: this.#leaving.signal,
    })
  }

  async #asked(taskId: string, beginning: string | null): Promise<string> {
    const asked = { params: { id: taskId }, signal: this.#leaving.signal }
    const submission = await get('/v1/tasks/:id/submission', asked).catch(() => null)
    return submission?.text ?? beginning ?? ''
  }

  #failed(cause: unknown): void {
    if (!this.#leaving.signal.aborted) this.error.value = asApiError(cause)
  }

  #change(taskId: string, changes: Partial<Turn>): void {
    this.turns.value = this.turns.value.map((turn) =>
      turn.taskId === taskId ? { ...turn, ...changes } : turn,
    )
  }

  #take(taskId: string, event: StreamEvent): void {
    const turn = this.turns.value.find((each) => each.taskId === taskId)
    if (turn === undefined) return
    switch (event.type) {
      case 'step.started':
        return this.#change(taskId, { status: 'running', activity: `step ${event.step}` })
      case 'text.delta':
        return this.#change(taskId, { answer: turn.answer + event.text })
      case 'text.retracted':
        return this.#change(taskId, { answer: '' })
      case 'model.answered':
        return this.#change(taskId, { answer: event.text })
      case 'tool.requested':
        return this.#change(taskId, { activity: event.tool, answer: '' })
      case 'code':
        return this.#change(taskId, { activity: 'Python', answer: '' })
      case 'approval.requested':
        return this.#change(taskId, { status: 'waiting', activity: `${event.tool} waits for a person` })
      case 'approval.decided':
        return event.final ? this.#change(taskId, { status: 'running', activity: event.tool }) : undefined
      case 'result': {
        const { status, output, usage } = event.result
        const error = (event.result['error'] as { message?: string } | null | undefined)?.message ?? null
        return this.#change(taskId, {
          status,
          error: status === 'succeeded' ? null : (error ?? status),
          answer: output === null ? '' : shown(output),
          cost: usage.cost,
          tookMs: Number(event.result['executionTime'] ?? 0),
          isOver: true,
          activity: null,
        })
      }
      default:
        return
    }
  }
}

const isUnderWay = ({ completedAtMs }: TaskView): boolean =>
  completedAtMs === null || fleetMs() - completedAtMs < LAG_MS

function turnOf({ taskId, asked, answered, status }: SessionTurn, task: TaskView | undefined): Turn {
  const isAnswer = status === 'succeeded'
  return {
    taskId,
    asked,
    answer: isAnswer ? answered : '',
    status,
    activity: null,
    error: isAnswer ? null : answered,
    cost: task?.cost ?? null,
    tookMs: task?.completedAtMs == null ? null : task.completedAtMs - task.submittedAtMs,
    isOver: true,
  }
}
