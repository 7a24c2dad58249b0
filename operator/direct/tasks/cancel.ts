// Cancels the open tasks that match a filter.
import { FlotillaError } from '../../../runtime/errors.ts'
import { isOpenState, openStates } from '../../../runtime/ledger/choices.ts'
import type { TaskFilter, TaskQuery } from '../../../runtime/ledger/tasks.ts'
import { identityMistakes } from '../../../schemas/identity.ts'
import type { TaskList, TaskView } from './tasks.ts'

/** Rejects with REQUEST_INVALID unless it has a filter. */
export interface CancelOptions extends TaskFilter {
  /** Why, for the results. */
  readonly reason?: string
  /** 100 unless given, 1,000 at most: repeat it while there are more. */
  readonly limit?: number
  /** True: nothing is cancelled. */
  readonly dryRun?: boolean
}

export interface CancelAnswer {
  /** Ids of the tasks that match, the latest first. Their results say whether the cancel took effect. */
  matched: string[]
  /** True: more match than the limit. */
  more: boolean
}

const DEFAULT_LIMIT = 100
const MAX_BULK = 1_000

export interface CancelParts {
  readonly list: (query: TaskQuery) => Promise<TaskList>
  readonly cancel: (taskId: string, reason: string | undefined) => Promise<void>
}

/** All are found before the first is cancelled, so that a dry run says the same. */
export async function cancelMatching(
  { list, cancel }: CancelParts,
  { reason, limit = DEFAULT_LIMIT, dryRun = false, ...filter }: CancelOptions,
): Promise<CancelAnswer> {
  assertNarrowed(filter)
  const mistakes = identityMistakes('TaskCancelled', { reason })
  if (mistakes.length > 0) throw refusal(mistakes.join('; '))
  const most = Math.min(limit, MAX_BULK)
  const found: TaskView[] = []
  for (let after: string | null | undefined; after !== null && found.length <= most;) {
    const query = { status: 'open' as const, ...filter, limit: most + 1 }
    const page: TaskList = await list(after === undefined ? query : { ...query, after })
    found.push(...page.tasks)
    after = page.next
  }
  const matched = found.slice(0, most).map(({ taskId }) => taskId)
  if (!dryRun) for (const taskId of matched) await cancel(taskId, reason)
  return { matched, more: found.length > most }
}

/** Throws REQUEST_INVALID: a slip must not cancel every task. */
export function assertNarrowed({ reason: _, limit: __, dryRun: ___, ...filter }: CancelOptions): void {
  const { status } = filter
  if (status !== undefined && status !== 'open' && !isOpenState(status))
    throw refusal(`a task that is ${status} has ended; status must be open, ${openStates.join(', ')}`)
  if (Object.values(filter).some((each) => each !== undefined)) return
  throw refusal('say which tasks to cancel, for example by agent, user, session or status')
}

const refusal = (message: string): FlotillaError => new FlotillaError('REQUEST_INVALID', message)
