// A task as its page follows it: the timeline of its events, shown at most once a frame.
import { signal } from '@preact/signals'
import { pathWith, type ApiError } from '../api/client.ts'
import { follow } from '../api/stream.ts'
import { Timeline } from './timeline.ts'

export class TaskStore {
  readonly timeline = new Timeline()
  /** Changes when the timeline has. */
  readonly version = signal(0)
  readonly error = signal<ApiError | null>(null)
  readonly leave: () => void
  #isDue = false

  constructor(taskId: string) {
    this.leave = follow({
      path: pathWith('/v1/tasks/:id/events', { id: taskId }),
      onEvent: (event) => {
        this.timeline.take(event)
        this.#changed()
      },
      onEnd: (error) => {
        this.error.value = error
        this.#changed()
      },
      isLast: ({ type }) => type === 'result',
    })
  }

  #changed(): void {
    if (this.#isDue) return
    this.#isDue = true
    // A tab that nobody looks at gets no frames.
    const later = document.hidden ? (call: () => void) => setTimeout(call, 250) : requestAnimationFrame
    later(() => {
      this.#isDue = false
      this.version.value++
    })
  }
}
