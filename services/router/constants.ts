const DAY_MS = 86_400_000

/** How long a task id is kept at least: the retention of tasks.submitted. */
export const REMEMBER_MS = 7 * DAY_MS

/** Ids that were answered within such a span are forgotten together, at its end: each is kept for as much longer at most. */
export const ANSWER_BUCKET_MS = DAY_MS / 4

/**
 * How long a cancel waits for its task, which may lie in a backlog behind it: as long as a task may take at most. What was
 * submitted before the cancel and is read later than that has timed out by itself.
 */
export const CANCEL_MS = DAY_MS

/** Cancels without a task that one lane keeps; beyond it, the oldest goes. */
export const MAX_CANCELS = 10_000

/** What a task may ask for. */
export const ranges = {
  maxSteps: { least: 1, most: 100 },
  timeoutMs: { least: 1, most: DAY_MS },
  priority: { least: 0, most: 9 },
  estimatedTokens: { least: 1, most: 2_147_483_647 },
} as const

/** The agent that is there where none is configured; and, where one of this name is, that of tasks that name none. */
export const DEFAULT_AGENT = 'default'
