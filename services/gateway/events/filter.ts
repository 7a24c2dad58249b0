// Which events of a feed its reader gets.
import { taskEventTypes, type TaskEvent } from '../../../api/task-events.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Whose } from '../access/owners.ts'
import { mayRead, type Principal } from '../access/principal.ts'

export interface FeedParameters {
  readonly user?: string
  readonly agent?: string
  readonly type?: string
  readonly task?: string
}

type Wanted = (event: TaskEvent & { taskId: string }) => boolean | Promise<boolean>

/** Throws REQUEST_INVALID. Who may read only their own tasks gets no others, whatever they ask for. */
export function feedFilter(
  { user, agent, type, task = '' }: FeedParameters,
  principal: Principal,
  originOf: (taskId: string) => Promise<Whose | null>,
): Wanted {
  const types = type === undefined ? null : typesIn(type)
  const isAnybodys = mayRead(principal, null) && user === undefined && agent === undefined
  return async (event) => {
    if (types !== null && !types.has(event.type)) return false
    if (!event.taskId.startsWith(task)) return false
    if (isAnybodys) return true
    const origin = await originOf(event.taskId)
    if (origin === null) return false
    return (
      mayRead(principal, origin.userId) &&
      (user === undefined || origin.userId === user) &&
      (agent === undefined || origin.agent === agent)
    )
  }
}

function typesIn(list: string): ReadonlySet<string> {
  const types = list.split(',').map((name) => name.trim())
  const unknown = types.filter((name) => !(taskEventTypes as readonly string[]).includes(name))
  if (unknown.length === 0) return new Set(types)
  throw new FlotillaError(
    'REQUEST_INVALID',
    `type must be types of events, separated by commas, not "${unknown.join(', ').slice(0, 100)}"; there are ${taskEventTypes.join(', ')}`,
  )
}
