// What a long task may ask for, and how its conversation is made shorter.

const DAY_MS = 86_400_000

/**
 * The most that any task may ask for. Everything that is kept for a running task is kept for longer: its id, a
 * cancel before it, the outcomes of its calls, its large payloads.
 */
export const longestTask = { maxSteps: 10_000, timeoutMs: 30 * DAY_MS } as const

/** How a conversation that nears the model's context is made shorter. Nothing of a task's history is lost by it. */
export interface Compaction {
  /**
   * `summarise`: old tool outputs are cut first; if that is not enough, the model summarises the older steps.
   * `trim`: the same without a model call: older steps are left out but for a line each. `off`: never; a task
   * whose conversation does not fit fails. Default `summarise`.
   */
  strategy?: 'summarise' | 'trim' | 'off'
  /** Share of the model's context at which it happens, 0.1 to 0.95. Default 0.8. */
  at?: number
  /** Tokens of a prompt at which it happens, if that is less: bounds what a long task costs. Default: none. */
  atTokens?: number
  /** The newest steps, which stay as they are, as long as they take half of the room at most. Default 8. */
  keepRecent?: number
}

export const defaultCompaction = {
  strategy: 'summarise',
  at: 0.8,
  keepRecent: 8,
} as const satisfies Compaction
