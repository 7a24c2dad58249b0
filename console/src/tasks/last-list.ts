// The list of tasks that the viewer left last: where a task's page leads back to, and to which tasks beside it.
import type { Me } from '../api/client.ts'
import { me } from '../api/session.ts'
import type { TablePlace } from '../components/table.tsx'
import type { TaskList } from './list.ts'

export interface ShownList {
  /** Its filters, as an address has them. */
  readonly key: string
  /** Nobody else goes on with it. */
  readonly viewer: Me | null
  readonly list: TaskList
  readonly at: TablePlace
}

let left: ShownList | null = null

const own = (): ShownList | null => (left?.viewer === me.peek() ? left : null)

export function leave(shown: ShownList): void {
  shown.list.close()
  left = shown
}

/** The list as it was left, if it was this one. */
export function reopened(key: string): ShownList | null {
  const found = own()
  if (found?.key !== key) return null
  found.list.open()
  return found
}

export function listAddress(): string {
  const { key = '' } = own() ?? {}
  return key === '' ? '/tasks' : `/tasks?${key}`
}

/** The task before (-1) or after (1) this one in the list that it was opened from. */
export function neighbour(taskId: string, by: -1 | 1): string | null {
  const rows = own()?.list.rows.peek() ?? []
  const at = rows.findIndex((row) => row.taskId === taskId)
  const found = at === -1 ? undefined : rows[at + by]
  if (found === undefined || left === null) return null
  left.at.index = at + by
  return found.taskId
}
