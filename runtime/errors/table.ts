// The one error table. Docs (docs/errors.md) are generated from it and tested against it.
import { callErrors } from './call-errors.ts'
import { row, type ErrorRow } from './row.ts'
import { fleetErrors } from './fleet-errors.ts'

export type { Severity } from './row.ts'

export const errorTable = {
  // Submitting
  TASK_INVALID: row(
    'recoverable',
    false,
    'A field of the task is missing, of the wrong type or out of range.',
    'Correct what the message names and submit again. A task that was rejected keeps its id: give it another one.',
  ),
  TASK_ID_REUSED: row(
    'recoverable',
    false,
    'A task with this id was submitted before, with another text.',
    'Submit it under another id; the result of the first is that of this id.',
  ),
  TASK_TEXT_FORBIDDEN: row(
    'recoverable',
    false,
    'The task text matches a forbidden pattern.',
    'Reword the task, or relax limits.input.forbiddenPatterns in flotilla.config.ts.',
  ),
  PROFILE_UNKNOWN: row(
    'recoverable',
    false,
    'No profile of this name.',
    'Use a profile that exists, or add it under models.profiles in flotilla.config.ts.',
  ),
  AGENT_UNKNOWN: row(
    'recoverable',
    false,
    'No agent of this name, or none was named where the fleet has several.',
    'Use an agent that exists, add it under agents in flotilla.config.ts, or set defaultAgent there.',
  ),
  OVERRIDE_NOT_ALLOWED: row(
    'recoverable',
    false,
    'The task asks for a mode, model, profile, strategy or limit that its agent does not let tasks choose.',
    'Leave the field out, or allow it under overrides of the agent in flotilla.config.ts.',
  ),
  MODEL_NOT_CONFIGURED: row(
    'recoverable',
    false,
    'No model is configured, or its provider has no key or base URL.',
    'Set the variable that the message names where the fleet runs, or name another model; flotilla models shows what each lacks.',
  ),
  EXECUTOR_NOT_CONFIGURED: row(
    'recoverable',
    false,
    "The profile's code executor is not available here.",
    'Configure the executor that the message names under sandbox in flotilla.config.ts, or choose another profile.',
  ),
  QUEUE_FULL: row(
    'degraded',
    true,
    'The queue is full, for this user or for all.',
    'Submit again when some are done, or raise limits.queue in flotilla.config.ts.',
  ),
  SESSION_FORBIDDEN: row(
    'recoverable',
    false,
    'The session was begun by another user.',
    'Use a session id of your own.',
  ),
  SESSION_BUSY: row(
    'recoverable',
    true,
    'Another task of the session runs, or the session is being deleted.',
    'Submit again when it has ended, or with whenBusy: queue, steer or interrupt.',
  ),
  SESSION_QUEUE_FULL: row(
    'recoverable',
    true,
    'So many messages wait in the session that it takes no more.',
    'Submit again when some are answered, or raise sessions.waiting in flotilla.config.ts.',
  ),
  SESSION_DELETED: row(
    'recoverable',
    false,
    'The session was deleted while the task waited for its turn.',
    'Submit the task again, in another session or without one.',
  ),
  TURN_LOST: row(
    'degraded',
    false,
    'A turn of a session ended, because nothing is known of its task any more.',
    'Submit the message again; if it happens again, see flotilla dead-letters and the state topics of the fleet.',
  ),
  RATE_LIMITED: row(
    'recoverable',
    true,
    'The rate limit (requests or tokens per window) was reached.',
    'Try again after the time that the message names, or raise limits.rates in flotilla.config.ts.',
  ),
  BUDGET_EXCEEDED: row(
    'degraded',
    false,
    'The rest of a daily token budget does not cover the task.',
    'Wait until the budget resets, or raise limits.budgets in flotilla.config.ts.',
  ),
  // Running a task
  TASK_UNKNOWN: row(
    'recoverable',
    false,
    'No task with this id was submitted, or it ended so long ago that the ledger no longer has it.',
    'Check the id: flotilla ps --all lists those that the ledger has.',
  ),
  CALL_UNKNOWN: row(
    'recoverable',
    false,
    'A decision names a call that does not wait for a person, and never has, as far as is known.',
    'Check the ids: flotilla approvals lists the calls that wait.',
  ),
  CALL_NOT_WAITING: row(
    'recoverable',
    false,
    'A decision is about a wait that is over: somebody decided, it expired, or its task has ended.',
    'None needed: flotilla approvals list --all shows how it ended. If the call waits again, decide about that wait.',
  ),
  EVENTS_GONE: row(
    'recoverable',
    false,
    'The task ended so long ago that the log no longer has its events and its result.',
    'flotilla ps --all shows what the ledger has of it. Keep tasks.history and tasks.completed for longer if they are needed.',
  ),
  TASK_OPEN: row(
    'recoverable',
    true,
    'The task has not ended, so it can’t be replayed, and is forked only from a step that has ended.',
    'Name a step that has ended (flotilla fork --from-step), or wait for its result (flotilla result --wait).',
  ),
  FORK_DIVERGED: row(
    'recoverable',
    false,
    'A step that a fork repeats came out differently from its recording.',
    'Fork from that step or an earlier one: it then runs again instead of being repeated.',
  ),
  TASK_CANCELLED: row('recoverable', false, 'The task was cancelled.', 'None needed.'),
  TASK_TIMED_OUT: row(
    'recoverable',
    true,
    'The task passed its time limit.',
    'See the last error in the message, if there is one. Else raise timeoutMs, or make the task smaller.',
  ),
  STEP_LIMIT: row(
    'recoverable',
    false,
    'The model did not finish within maxSteps.',
    'See the last error in the message, if there is one. Else raise maxSteps, make the task smaller, or use a stronger model.',
  ),
  OUTPUT_INVALID: row(
    'recoverable',
    false,
    'The final output does not fit the output schema.',
    'If the answer was cut off, raise maxOutputTokens of the profile. Else relax outputSchema, raise maxSteps, or use a stronger model.',
  ),
  OUTPUT_EMPTY: row(
    'recoverable',
    true,
    'The model ended with an empty answer.',
    'Submit again, or use a stronger model.',
  ),
  COST_LIMIT: row(
    'recoverable',
    false,
    "The task's maxCost is spent.",
    'Raise maxCost, or use a cheaper model.',
  ),
  // Models
  MODEL_RATE_LIMITED: row(
    'degraded',
    true,
    "The provider's rate limit was reached (429).",
    'Retried after the time that the provider named. If it persists: lower limits.rates.providers in flotilla.config.ts, or raise the limit at the provider.',
  ),
  MODEL_QUOTA_EXCEEDED: row(
    'critical',
    false,
    'The provider account has no quota left.',
    'Add credit or raise the spending limit at the provider.',
  ),
  MODEL_CONTENT_FILTERED: row(
    'recoverable',
    false,
    "The provider's content filter refused the prompt or the answer.",
    'Reword the task, look at what tools put into the conversation, or use another provider.',
  ),
  MODEL_TIMEOUT: row(
    'degraded',
    true,
    'The model did not answer in time.',
    'Retried; if it persists, raise models.providers.<name>.idleTimeoutMs or timeoutMs, as the message says, or lower maxOutputTokens.',
  ),
  MODEL_UNAVAILABLE: row(
    'degraded',
    true,
    'The provider could not be reached or answered 5xx.',
    "Retried, and the next model of the profile is tried. If it persists: check the base URL and the provider's status page; flotilla doctor makes one call.",
  ),
  MODEL_REQUEST_REFUSED: row(
    'recoverable',
    false,
    'The provider refused the request (4xx).',
    "Read the provider's message; check the model name and the parameters.",
  ),
  MODEL_AUTH_FAILED: row(
    'critical',
    false,
    'The provider rejected the key (401, 403).',
    'Set a valid key in the environment variable that the message names.',
  ),
  MODEL_CONTEXT_TOO_LONG: row(
    'recoverable',
    false,
    'The conversation is longer than the model can read.',
    'Use a model with a larger context, let tools return less (maxOutputBytes), or correct models.sizes in flotilla.config.ts.',
  ),
  MODEL_ANSWER_MALFORMED: row(
    'recoverable',
    true,
    'The answer of the model could not be parsed.',
    'Retried, unless it was too large: each is paid. If it persists: use mode code for models that cannot call tools, or a stronger model.',
  ),
  MODEL_UNKNOWN_ERROR: row(
    'degraded',
    false,
    'The model call failed for an unrecognised reason.',
    'Read the message; report it if Flotilla should recognise it.',
  ),
  BREAKER_OPEN: row(
    'degraded',
    true,
    'Calls to this provider or tool are paused after repeated failures.',
    'Retried by itself when the pause ends; flotilla breakers shows since when and why.',
  ),
  ...callErrors,
  ...fleetErrors,
} as const satisfies Record<string, ErrorRow>
