/** Retries of one model call; then the next model of the task is used. */
export const MAX_RETRIES = 3

/** Wait before the first retry; doubled each time. */
export const FIRST_RETRY_MS = 1_000

/** Wait while every usable provider's breaker is open, if the breaker does not say when it half-opens. */
export const BREAKER_WAIT_MS = 5_000
export const MAX_BREAKER_WAIT_MS = 30_000

/**
 * How long after the limit of a model call the host ends it: its caller, which knows what has arrived, ends
 * it first.
 */
export const MODEL_MARGIN_MS = 5_000

/** Tool calls that a model may make in one step. */
export const MAX_CALLS_PER_STEP = 32

/**
 * Longest observation of a tool call or code step that the model is shown, in characters; the result keeps
 * all of it.
 */
export const MAX_OBSERVATION_CHARS = 12_000

/**
 * Characters that a task keeps of its steps, as JSON. Beyond that the oldest are shortened, in its result too.
 */
export const MAX_KEPT_CHARS = 16_000_000

/**
 * How long the end of a task is kept after one of its events was given up: as long as router keeps its id,
 * seven days, or a day after its deadline.
 */
export const REMEMBER_ENDED_MS = 7 * 86_400_000
export const REMEMBER_AFTER_DEADLINE_MS = 86_400_000
