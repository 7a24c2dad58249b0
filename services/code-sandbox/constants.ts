/** The executor that `default` means in a profile. */
export const DEFAULT_EXECUTOR = 'wasm'

/** Limits of every step, whatever the executor. */
export const limits = {
  toolCalls: 1_000,
  printChars: 100_000,
  valueChars: 500_000,
  /** Characters of code, arguments and results of tool calls that a task's session keeps for rebuilding. */
  sessionChars: 16_000_000,
} as const
