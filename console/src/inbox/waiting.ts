// Tasks that wait for a person: how many, on every page, and a notification of each new one if the viewer wants them.
import { effect, signal } from '@preact/signals'
import { get, type TaskView } from '../api/client.ts'
import { may } from '../api/session.ts'
import { line } from '../text.ts'

const AGAIN_MS = 10_000
const MOST = 100
const STORED = 'flotilla.notify'

/** Null: not known. At most MOST of them. */
export const waiting = signal<readonly TaskView[] | null>(null)

export type Notifying = 'on' | 'off' | 'refused' | 'impossible'
export const notifying = signal<Notifying>(asStored())

function asStored(): Notifying {
  if (typeof Notification === 'undefined') return 'impossible'
  if (Notification.permission === 'denied') return 'refused'
  return Notification.permission === 'granted' && localStorage.getItem(STORED) === 'on' ? 'on' : 'off'
}

/** Asks the browser for leave when they are turned on for the first time. */
export async function turnNotifications(): Promise<void> {
  const isOn = notifying.value !== 'on' && (await Notification.requestPermission()) === 'granted'
  localStorage.setItem(STORED, isOn ? 'on' : 'off')
  notifying.value = asStored()
}

/** Looks each AGAIN_MS, while the tab is looked at or is to notify. */
export function watchWaiting(): void {
  effect(() => {
    waiting.value = null
    if (!may('approvals:decide') || !may('tasks:read')) return
    const leaving = new AbortController()
    const look = async (): Promise<void> => {
      if (document.hidden && notifying.peek() !== 'on') return
      const { tasks } = await get('/v1/tasks', {
        query: { waiting: true, limit: MOST },
        signal: leaving.signal,
      })
      if (waiting.peek() !== null && document.hidden) notify(tasks, waiting.peek() ?? [])
      waiting.value = tasks
    }
    // What fails here the page in view reports too.
    const lookSafely = (): void => void look().catch(() => {})
    lookSafely()
    const timer = setInterval(lookSafely, AGAIN_MS)
    return () => {
      clearInterval(timer)
      leaving.abort()
    }
  })
}

function notify(tasks: readonly TaskView[], before: readonly TaskView[]): void {
  const known = new Set(before.map(({ taskId }) => taskId))
  for (const { taskId, text, detail } of tasks.filter((task) => !known.has(task.taskId)))
    new Notification(`${line(detail ?? 'A call', 60)} waits for you`, {
      body: line(text ?? taskId, 120),
      tag: taskId,
    }).onclick = () => {
      window.focus()
      location.assign(`/inbox?task=${encodeURIComponent(taskId)}`)
    }
}
