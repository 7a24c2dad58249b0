// The one error table. Docs (docs/errors.md) are generated from it and tested against it. Long because each
// error is a row.
import type { Failure } from '../schemas/generated/events.ts'

export type Severity = Failure['severity']

interface ErrorRow {
  readonly severity: Severity
  /** Whether the same request may succeed later without a change. */
  readonly retryable: boolean
  readonly meaning: string
  readonly remedy: string
}

const row = (severity: Severity, retryable: boolean, meaning: string, remedy: string): ErrorRow => ({
  severity,
  retryable,
  meaning,
  remedy,
})

export const errorTable = {
  // Submitting
  TASK_INVALID: row(
    'recoverable',
    false,
    'A field of the task is missing, of the wrong type or out of range.',
    'Correct the named field and submit again with a new task id.',
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
    "The model's provider has no key or base URL.",
    'Set the environment variable that the message names.',
  ),
  EXECUTOR_NOT_CONFIGURED: row(
    'recoverable',
    false,
    "The profile's code executor is not available here.",
    'Configure the executor that the message names, or choose another profile.',
  ),
  QUEUE_FULL: row(
    'degraded',
    true,
    'The queue is full, for this user or for all.',
    'Submit again when some are done, or raise limits.queue in flotilla.config.ts.',
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
  TASK_CANCELLED: row('recoverable', false, 'The task was cancelled.', 'None needed.'),
  TASK_TIMED_OUT: row(
    'recoverable',
    true,
    'The task passed its time limit.',
    'Raise timeoutMs, or make the task smaller.',
  ),
  STEP_LIMIT: row(
    'recoverable',
    false,
    'The model did not finish within maxSteps.',
    'Raise maxSteps, make the task smaller, or use a stronger model.',
  ),
  OUTPUT_INVALID: row(
    'recoverable',
    false,
    'The final output does not fit the output schema.',
    'Relax the schema, raise maxSteps, or use a stronger model.',
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
    'Retried after the time that it named; lower the load or raise the limit if it persists.',
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
    'Retried, then the next model of the profile is used.',
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
    'Use a model with a larger context, or smaller observations.',
  ),
  MODEL_ANSWER_MALFORMED: row(
    'recoverable',
    true,
    'The answer of the model could not be parsed.',
    'Retried; use a stronger model if it persists.',
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
    'Retried by itself when the pause ends; see ops.health.',
  ),
  // Tools
  TOOL_UNKNOWN: row('recoverable', false, 'No tool of this name.', 'The model is told which tools exist.'),
  TOOL_ARGUMENTS_INVALID: row(
    'recoverable',
    false,
    "The arguments do not fit the tool's input schema.",
    'The model is told what is wrong.',
  ),
  TOOL_FAILED: row('recoverable', false, 'The tool threw an error.', 'The model is told; see the message.'),
  TOOL_UNAVAILABLE: row(
    'degraded',
    true,
    'A service that the tool depends on could not be reached.',
    "Retried by the tool's retry policy.",
  ),
  TOOL_TARGET_UNAVAILABLE: row(
    'degraded',
    true,
    'A site or service that the arguments name could not be reached, or asked to wait; the tool itself works.',
    "Retried by the tool's retry policy.",
  ),
  TOOL_TIMEOUT: row(
    'recoverable',
    true,
    'The tool did not answer in time.',
    "Raise the tool's timeoutMs if it persists.",
  ),
  TOOL_OUTPUT_INVALID: row(
    'recoverable',
    false,
    'The tool returned something that is not JSON or does not fit its output schema.',
    'Correct the tool.',
  ),
  TOOL_OUTPUT_TOO_LARGE: row(
    'recoverable',
    false,
    'The tool returned more than its limit.',
    'Return less, or raise maxOutputBytes of the tool.',
  ),
  TOOL_DENIED: row(
    'recoverable',
    false,
    'A person declined the call, or the tool refuses this target.',
    'The model is told.',
  ),
  // Code
  CODE_SYNTAX: row(
    'recoverable',
    false,
    'The code is not valid Python.',
    'The model is told and may correct it.',
  ),
  CODE_FAILED: row(
    'recoverable',
    false,
    'The code raised an exception.',
    'The model is told and may correct it.',
  ),
  CODE_TIMEOUT: row(
    'recoverable',
    false,
    'The step ran longer than its time limit.',
    'Make the step smaller.',
  ),
  CODE_MEMORY: row(
    'recoverable',
    false,
    'The step used more memory than its limit.',
    'Make the step smaller.',
  ),
  CODE_PERMISSION: row(
    'recoverable',
    false,
    'The code tried something that the sandbox forbids.',
    'Use the given tools instead.',
  ),
  CODE_LIMIT: row(
    'recoverable',
    false,
    'The step made too many tool calls or printed too much.',
    'Make the step smaller.',
  ),
  NONDETERMINISM: row(
    'degraded',
    false,
    'A lost session could not be rebuilt exactly.',
    'The model is told and starts the step again.',
  ),
  SANDBOX_UNAVAILABLE: row('degraded', true, 'The executor could not start.', 'Run flotilla doctor.'),
  // Calls in general
  CALL_ABORTED: row(
    'recoverable',
    false,
    'The call was stopped because its task was cancelled, ended or timed out.',
    'None needed.',
  ),
  CALL_TIMEOUT: row('degraded', true, 'The call passed its time limit.', 'Raise the limit if it persists.'),
  CALL_OUTCOME_UNKNOWN: row(
    'degraded',
    false,
    'The call was begun by a process that died; it was not repeated, because that is not safe.',
    'Check the outside system, then decide.',
  ),
  WORKER_LIMIT: row(
    'recoverable',
    false,
    'Checking or parsing an input exceeded its time or memory limit.',
    'Make the schema, page or file that the message names smaller or simpler.',
  ),
  WORKER_BUSY: row(
    'degraded',
    true,
    'Too many inputs wait to be checked or parsed.',
    'Retry with fewer at once; calls of a running task are retried by themselves.',
  ),
  // The fleet
  UNDECODABLE_RECORD: row(
    'degraded',
    false,
    'The bytes are not a record of this topic.',
    'See the dead letter; publish with the registered schema, or plain JSON on tasks.submitted.',
  ),
  SCHEMA_MISMATCH: row('degraded', false, 'A value does not fit its schema.', 'Correct the named field.'),
  SCHEMA_INCOMPATIBLE: row(
    'critical',
    false,
    'The schema registry refused a schema, because versions registered before forbid it.',
    'Change the schema as FULL_TRANSITIVE allows, or use another registry or prefix; see docs/events.md.',
  ),
  RECORD_TOO_LARGE: row(
    'recoverable',
    false,
    'A record with its key and headers is larger than the fleet takes (512 KB), or the log (1 MB).',
    'Send less; put large inputs where a tool can fetch them.',
  ),
  COMMIT_REFUSED: row(
    'degraded',
    false,
    'The log refused the effects of an event for good, so the event was given up.',
    "See the dead letter's message; compare message.max.bytes and offset.metadata.max.bytes of the broker with their defaults.",
  ),
  TASK_BUSY: row(
    'recoverable',
    true,
    'Too many control events wait for one task.',
    'Replay the dead letter when the task is idle, if it still matters.',
  ),
  HANDLER_FAILED: row(
    'degraded',
    false,
    'A stage threw while handling an event: a bug.',
    'See the dead letter; report it, correct it, then replay.',
  ),
  PROCESS_DIED: row(
    'critical',
    false,
    'The process died each time it handled this event, at least three times.',
    'See the dead letter and what the process wrote before it died; report it, correct it, then replay.',
  ),
  PAYLOAD_MISSING: row(
    'degraded',
    true,
    'A large payload could not be found in the blob store.',
    'Check that every service uses the same DATABASE_URL.',
  ),
  CONFIG_INVALID: row(
    'critical',
    false,
    'The configuration is invalid.',
    'Correct each of the listed paths.',
  ),
  LOG_UNAVAILABLE: row(
    'critical',
    true,
    'The log (Kafka or the embedded file) cannot be used.',
    'Check KAFKA_BROKERS or FLOTILLA_DATA; run flotilla doctor.',
  ),
  REGISTRY_UNAVAILABLE: row(
    'critical',
    true,
    'The schema registry cannot be used.',
    'Check SCHEMA_REGISTRY_URL; run flotilla doctor.',
  ),
  STORE_UNAVAILABLE: row(
    'critical',
    true,
    'Redis or the database cannot be used.',
    'Check REDIS_URL and DATABASE_URL; run flotilla doctor.',
  ),
  STORE_NOT_DURABLE: row(
    'critical',
    false,
    'The key-value store may lose acknowledged writes, so the journal cannot keep its promise.',
    'Set appendfsync always and maxmemory-policy noeviction in Redis, or FLOTILLA_ALLOW_VOLATILE_STORE=1 to accept it.',
  ),
  DATA_LOCKED: row(
    'critical',
    false,
    'Another process uses this data directory.',
    'Stop it, use its gateway, or set FLOTILLA_DATA to another directory.',
  ),
  NO_FLEET: row(
    'recoverable',
    false,
    'No fleet has run here yet.',
    'Start one with flotilla start, or run a single task with flotilla run "…". For a fleet elsewhere set FLOTILLA_DATA, FLOTILLA_URL or KAFKA_BROKERS.',
  ),
  PORT_IN_USE: row('critical', false, 'Something else listens on this port.', 'Set PORT to a free port.'),
  TOPICS_MISMATCH: row(
    'critical',
    false,
    'The topics of the broker do not fit the contract.',
    'Follow the message; run flotilla topics.',
  ),
  GATEWAY_UNAVAILABLE: row(
    'critical',
    true,
    'No gateway of a fleet answers at this URL.',
    'Start a fleet with flotilla start, or set FLOTILLA_URL (or PORT) to the address of one.',
  ),
  CHANNEL_UNAVAILABLE: row(
    'degraded',
    true,
    'An alert channel could not be reached, or asked to wait.',
    'Retried; check the service behind the channel if it persists.',
  ),
  CHANNEL_REFUSED: row(
    'degraded',
    false,
    'An alert channel refused a notification.',
    'Check its key, address and settings under alerts.channels; then replay the dead letter.',
  ),
  CHANNEL_NOT_CONFIGURED: row(
    'degraded',
    false,
    'An alert channel lacks its secret, or is not configured.',
    'Set the environment variable that the message names for the alerting service, or add the channel under alerts.channels.',
  ),
  HOST_REFUSED: row(
    'recoverable',
    false,
    'The request used a host name that this server does not accept.',
    'Use localhost or an address; or add the name to FLOTILLA_ALLOWED_HOSTS of this process.',
  ),
  ORIGIN_REFUSED: row(
    'recoverable',
    false,
    'A web page of another site sent the request.',
    'Send it from a program, or from a page of the same host; a proxy must pass the Host header on.',
  ),
  TOO_MANY_STREAMS: row(
    'degraded',
    true,
    'The limit of open streams, waiting requests and large reports was reached.',
    'Close unused ones; retry later; or raise FLOTILLA_MAX_STREAMS or FLOTILLA_MAX_STREAMS_PER_CLIENT.',
  ),
  READER_TOO_SLOW: row(
    'recoverable',
    true,
    'A reader fell so far behind the events that its buffer overflowed.',
    'Ask for the result, or follow again and read faster; a group of readers resumes where it stopped.',
  ),
  STREAM_SILENT: row(
    'recoverable',
    true,
    'The stream was ended because nothing happened to its task for too long.',
    'Check the task id; if the task is only waiting, follow it again.',
  ),
  SEARCH_UNFINISHED: row(
    'degraded',
    true,
    'There are more results to search than one request may search.',
    'Retry: each request goes on where the one before it stopped.',
  ),
  REQUEST_INVALID: row(
    'recoverable',
    false,
    'The request is not valid.',
    'Correct the part that the message names.',
  ),
  NOT_FOUND: row('recoverable', false, 'The named item does not exist.', 'Check the name or id.'),
  INTERNAL: row('degraded', false, 'An unexpected error: a bug.', 'Report it with the message.'),
} as const satisfies Record<string, ErrorRow>
