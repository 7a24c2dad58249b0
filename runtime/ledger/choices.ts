// What queries of the ledgers may choose from: constants alone, so that clients need not load a database's driver.

/** States of a task; only the log says which of the first three an open one is in (operator/direct/progress.ts). */
export const taskStates = [
  'queued',
  'running',
  'waiting',
  'succeeded',
  'failed',
  'rejected',
  'cancelled',
  'timed_out',
] as const

export const openStates: readonly string[] = taskStates.slice(0, 3)

export const summaryBy = ['total', 'user', 'agent', 'model', 'tool', 'day'] as const
/** Periods of which each has lines of its own. */
export const summaryPer = ['hour', 'day'] as const
export const exportTables = ['calls', 'tasks'] as const
export const exportFormats = ['csv', 'json'] as const

/** Most tasks of one page. */
export const MAX_TASKS = 1_000
