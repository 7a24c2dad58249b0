// The turns of a session: its tasks in order, each followed while it runs.
import { signal } from '@preact/signals'
import { asApiError, get, pathWith, type ApiError } from '../api/client.ts'
import { follow } from '../api/stream.ts'
import type { StreamEvent } from '../api/stream-event.ts'
import { shown } from '../text.ts'

export interface Turn {
  readonly taskId: string
  readonly asked: string
  readonly answer: string
  readonly status: string
  /** What it does now. */
  readonly activity: string | null
  readonly error: string | null
  readonly cost: number
  readonly tookMs: number | null
  readonly isOver: boolean
}

interface Message {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

/** Turns that are shown, and sent as history. */
const MAX_TURNS = 50

export class Conversation {
  readonly turns = signal<readonly Turn[]>([])
  readonly error = signal<ApiError | null>(null)
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

  /** The conversation so far, as the next task takes it along. */
  history(): Message[] {
    return this.turns.value.flatMap(({ asked, answer, isOver, error }) =>
      isOver && error === null && answer !== ''
        ? [
            { role: 'user' as const, content: asked },
            { role: 'assistant' as const, content: answer },
          ]
        : [],
    )
  }

  async #load(): Promise<void> {
    const { signal: leaving } = this.#leaving
    try {
      const { tasks } = await get('/v1/tasks', {
        query: { session: this.session, limit: MAX_TURNS },
        signal: leaving,
      })
      const asked = await Promise.all(
        tasks.toReversed().map(async ({ taskId, text }) => {
          const submission = await get('/v1/tasks/:id/submission', {
            params: { id: taskId },
            signal: leaving,
          }).catch(() => null)
          return { taskId, text: submission?.text ?? text ?? '' }
        }),
      )
      if (leaving.aborted) return
      for (const { taskId, text } of asked) this.add(taskId, text)
      this.isThere.value = true
    } catch (cause) {
      if (!leaving.aborted) this.error.value = asApiError(cause)
    }
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
