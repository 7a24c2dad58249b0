import type { TaskEvent } from '../../../api/task-events.ts'

/** An event as the gateway streams it. `id`: where in the log it is; null if it is not in it. */
export type StreamEvent = TaskEvent & { readonly id: string | null }
