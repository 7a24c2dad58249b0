// Filters of tasks, as URLs and the command give them.
import { z } from 'zod'
import type { TaskQuery } from '../../runtime/ledger/tasks.ts'
import { MAX_TASKS, taskStates } from '../../runtime/ledger/choices.ts'
import { checked } from '../check.ts'
import { text, time, whole } from './values.ts'

export const taskFilters = z.strictObject({
  status: z
    .enum([...taskStates, 'open'])
    .exactOptional()
    .meta({ description: '`open`: all that have not ended.' }),
  agent: text('Of this agent.').exactOptional(),
  user: text('Of this user.').exactOptional(),
  model: text('On this model.').exactOptional(),
  since: time('Submitted since.').exactOptional(),
  limit: whole({ least: 1, most: MAX_TASKS }, 'How many at most: 100 unless given.').exactOptional(),
  after: text('`next` of the page before.').exactOptional(),
})

export type TaskFilters = z.output<typeof taskFilters>

export function taskQuery({ since, ...filters }: TaskFilters): TaskQuery {
  return { ...filters, ...(since === undefined ? {} : { sinceMs: since }) }
}

/** The same from the command line. Throws REQUEST_INVALID, naming the allowed values. */
export const queryFrom = (options: Readonly<Record<string, unknown>>): TaskQuery =>
  taskQuery(checked(taskFilters, options, { word: 'filter' }))
