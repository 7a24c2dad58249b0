/** The executor that `default` means in a profile. */
export const DEFAULT_EXECUTOR = 'wasm'

/** Limits of every step, whatever the executor. */
export const limits = {
  toolCalls: 1_000,
  printChars: 100_000,
  valueChars: 500_000,
  /** Characters of code, arguments and results of tool calls that a task's session keeps for rebuilding. */
  sessionChars: 16_000_000,
  /**
   * Computing time of the steps that a session keeps: half of what a call may take, so that a session that is
   * lost can be rebuilt on a machine that is half as fast.
   */
  sessionComputeMs: 900_000,
} as const
