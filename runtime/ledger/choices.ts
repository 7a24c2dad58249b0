// What queries of the ledgers may choose from: constants alone, so that clients need not load a database's driver.

/** States of a task that has not ended; only the log says which of them it is in (operator/direct/tasks/phase.ts). */
export const openStates = ['queued', 'running', 'waiting'] as const
export const endStates = ['succeeded', 'failed', 'rejected', 'cancelled', 'timed_out'] as const
export const taskStates = [...openStates, ...endStates] as const

export const isOpenState = (state: string): boolean => (openStates as readonly string[]).includes(state)

/**
 * What an open task does or waits for. submitted: the router has not read it yet. model, work: waits for an answer; runs
 * what the answer asked for (tools, code). paused: the stage that has to go on with it takes nothing new. unknown: its
 * last event is further back in the log than is read.
 */
export const taskPhases = [
  'submitted',
  'queued',
  'model',
  'work',
  'paused',
  'retry',
  'approval',
  'limit',
  'breaker',
  'unknown',
] as const

export const summaryBy = ['total', 'user', 'agent', 'model', 'tool', 'day'] as const
/** Periods of which each has lines of its own. */
export const summaryPer = ['hour', 'day'] as const
export const exportTables = ['calls', 'tasks'] as const
export const exportFormats = ['csv', 'json'] as const

/** Most tasks of one page. */
export const MAX_TASKS = 1_000
