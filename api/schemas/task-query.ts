// Filters of tasks, as URLs and the command give them.
import { z } from 'zod'
import type { TaskQuery } from '../../runtime/ledger/tasks.ts'
import { MAX_TASKS, openStates, taskStates } from '../../runtime/ledger/choices.ts'
import { checked } from '../check.ts'
import { amount, count, flag, text, time, whole } from './values.ts'

const filters = {
  status: z
    .enum([...taskStates, 'open'])
    .exactOptional()
    .meta({ description: '`open`: all that have not ended.' }),
  agent: text('Of this agent.').exactOptional(),
  user: text('Of this user.').exactOptional(),
  model: text('On this model.').exactOptional(),
  profile: text('With this profile; an open task: that its submission names.').exactOptional(),
  error: text('Ended with this error code.').exactOptional(),
  session: text('Of this conversation.').exactOptional(),
  parent: text('Made from this task.').exactOptional(),
  waiting: flag('Waits for a person, who approves or rejects a call.').exactOptional(),
  search: text('With this in its id or in the beginning of its text; case does not count.')
    .min(1, { error: 'must not be empty' })
    .exactOptional(),
  minCost: amount('That cost at least so many US dollars, so far.').exactOptional(),
  minMs: amount('That took at least so many milliseconds, so far.').exactOptional(),
  doubt: flag('Has a call of which nobody knows whether it took effect.').exactOptional(),
  since: time('Submitted since.').exactOptional(),
  to: time('Submitted before.').exactOptional(),
}

const limit = whole({ least: 1, most: MAX_TASKS }, 'How many at most: 100 unless given.').exactOptional()

export const taskFilters = z.strictObject({
  ...filters,
  limit,
  after: text('`next` of the page before.')
    .meta({ description: '`next` of the page before.', pattern: String.raw`^\d{1,15}:.+$` })
    .exactOptional(),
})

const positive = z.number().positive({ error: 'must be a number above 0' })

/** The filters in a JSON body: times are epoch milliseconds there. */
export const filterFields = {
  status: z.enum(['open', ...openStates]).exactOptional(),
  agent: z.string().exactOptional(),
  user: z.string().exactOptional(),
  model: z.string().exactOptional(),
  profile: z.string().exactOptional(),
  session: z.string().exactOptional(),
  parent: z.string().exactOptional(),
  waiting: z.boolean().exactOptional(),
  inDoubt: z.boolean().exactOptional(),
  search: z.string().min(1).exactOptional(),
  minCost: positive.exactOptional(),
  minMs: positive.exactOptional(),
  sinceMs: count('Submitted since, epoch milliseconds.').exactOptional(),
  toMs: count('Submitted before, epoch milliseconds.').exactOptional(),
}

type Given = z.output<typeof taskFilters>

export function taskQuery({ since, to, error, doubt, ...same }: Given): TaskQuery {
  return {
    ...same,
    ...(error === undefined ? {} : { errorCode: error }),
    ...(doubt === undefined ? {} : { inDoubt: doubt }),
    ...(since === undefined ? {} : { sinceMs: since }),
    ...(to === undefined ? {} : { toMs: to }),
  }
}

/** The query as the route takes it. */
export function queryOf({ sinceMs, toMs, errorCode, inDoubt, ...same }: TaskQuery) {
  return { ...same, since: sinceMs, to: toMs, error: errorCode, doubt: inDoubt }
}

/** The same from the command line. Throws REQUEST_INVALID, naming the allowed values. */
export const queryFrom = (options: Readonly<Record<string, unknown>>): TaskQuery =>
  taskQuery(checked(taskFilters, options, { word: 'filter' }))
