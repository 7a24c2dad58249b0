const DAY_MS = 86_400_000

/** How long a task id, or a cancel that came first, is kept: at least the retention of tasks.submitted. */
export const REMEMBER_MS = 7 * DAY_MS

/** What a task may ask for. */
export const ranges = {
  maxSteps: { least: 1, most: 100 },
  timeoutMs: { least: 1, most: DAY_MS },
  priority: { least: 0, most: 9 },
  estimatedTokens: { least: 1, most: 2_147_483_647 },
} as const

/** Longest task id, user id, session id and the like. */
export const MAX_NAME_CHARS = 200

/** The agent that is there where none is configured; and, where one of this name is, that of tasks that name none. */
export const DEFAULT_AGENT = 'default'
