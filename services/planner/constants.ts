/** Retries of one model call; after them the next model of the task is used. */
export const MAX_RETRIES = 3

/** Wait before the first retry; doubled each time. */
export const FIRST_RETRY_MS = 1_000

/** Added to a wait at most, as a share of it, so that tasks that failed together do not come back together. */
export const JITTER = 0.25

/** Wait while every usable provider's breaker is open, where the breaker does not say when it will try again. */
export const BREAKER_WAIT_MS = 5_000
export const MAX_BREAKER_WAIT_MS = 30_000

/** How long behind the limit of a model call the host ends it: its caller ends it first, who knows what has arrived. */
export const MODEL_MARGIN_MS = 5_000

/** Tool calls that a model may make in one turn. */
export const MAX_CALLS_PER_TURN = 32

/** Of what one tool call or one code step tells the model. The step in the result keeps everything. */
export const MAX_OBSERVATION_CHARS = 12_000

/** How long it is kept that a task has ended because an event of it was given up: as long as router keeps its id. */
export const REMEMBER_ENDED_MS = 7 * 86_400_000
