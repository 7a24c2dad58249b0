// The one error table. Docs (docs/errors.md) are generated from it and tested against it.
import { row, type ErrorRow } from './error-row.ts'
import { fleetErrors } from './fleet-errors.ts'

export type { Severity } from './error-row.ts'

export const errorTable = {
  // Submitting
  TASK_INVALID: row(
    'recoverable',
    false,
    'A field of the task is missing, of the wrong type or out of range.',
    'Correct the named field and submit again with a new task id.',
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
    'Set a key (OPENAI_API_KEY, GROQ_API_KEY, …) or OPENAI_BASE_URL where the fleet runs, or name another model; flotilla doctor shows what is missing.',
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
  EVENTS_GONE: row(
    'recoverable',
    false,
    'The task ended so long ago that the log no longer has its events and its result.',
    'flotilla ps --all shows what the ledger has of it. Keep tasks.history and tasks.completed for longer if they are needed.',
  ),
  TASK_OPEN: row(
    'recoverable',
    true,
    'The task has not ended, so it can be neither forked nor replayed.',
    'Wait for its result (flotilla result --wait), or cancel it.',
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
    'Retried. If it persists: use mode code for models that cannot call tools, or a stronger model.',
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
  // Tools
  TOOL_UNKNOWN: row(
    'recoverable',
    false,
    'No tool of this name.',
    "The model is told which tools exist. If it should have this one: add it to tools, and to the agent's tools, in flotilla.config.ts.",
  ),
  TOOL_ARGUMENTS_INVALID: row(
    'recoverable',
    false,
    "The arguments do not fit the tool's input schema.",
    "The model is told what is wrong. If it repeats: say in the tool's description and input schema what it needs.",
  ),
  TOOL_FAILED: row(
    'recoverable',
    false,
    'The tool threw an error.',
    'The model is told. See the message; if the tool is at fault, correct its run function.',
  ),
  TOOL_UNAVAILABLE: row(
    'degraded',
    true,
    'A service that the tool depends on could not be reached.',
    'Retried if the tool is idempotent (retries). If it persists: check the service behind it.',
  ),
  TOOL_TARGET_UNAVAILABLE: row(
    'degraded',
    true,
    'A site or service that the arguments name could not be reached, or asked to wait; the tool itself works.',
    'Retried if the tool is idempotent (retries). If it persists: check the address in the arguments.',
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
    'Correct what the tool returns, or its output schema.',
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
    "The model is told. To allow it: approve the call next time, or widen the tool's hosts in flotilla.config.ts.",
  ),
  MCP_TOOL_CHANGED: row(
    'critical',
    false,
    'The MCP server describes the tool differently from what is pinned, or no longer has it; the call was not made.',
    'Find out why the server changed. If the change is wanted: flotilla mcp sync, review flotilla.mcp-lock.json, and start the fleet with it.',
  ),
  MCP_AUTH_FAILED: row(
    'critical',
    false,
    'The MCP server refused the credentials (401, 403), or none could be had.',
    'Correct headers, auth or perUser of the server in flotilla.config.ts, and the variables that they name.',
  ),
  MCP_INPUT_REQUIRED: row(
    'recoverable',
    false,
    'The MCP server wants to ask the user something before it answers.',
    'The model is told. Give the tool all that it needs in its arguments, or use a tool that asks nothing.',
  ),
  TOOL_NOT_RECORDED: row(
    'recoverable',
    false,
    'The tool policy of the task refused the call: it has no recorded outcome, or every call is refused.',
    'The model is told, and the result lists the call under refusedCalls. Fork with --tools ask or live to make such calls.',
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
    'The model is told. If it persists: raise limits.codeStepTimeoutMs in flotilla.config.ts.',
  ),
  CODE_MEMORY: row(
    'recoverable',
    false,
    'The step used more memory than its limit.',
    'The model is told. If it persists: raise limits.codeMemoryMb in flotilla.config.ts.',
  ),
  CODE_PERMISSION: row(
    'recoverable',
    false,
    'The code tried something that the sandbox forbids.',
    'The model is told to use the given tools. Files and network are reached by tools only.',
  ),
  CODE_LIMIT: row(
    'recoverable',
    false,
    'The step made too many tool calls or printed too much, or its session holds more than can be rebuilt.',
    'The model is told. Let a tool do the loop, print less, or define again what a session that was ended had.',
  ),
  NONDETERMINISM: row(
    'degraded',
    false,
    'A lost session could not be rebuilt exactly.',
    'The model is told and starts the step again.',
  ),
  SANDBOX_UNAVAILABLE: row(
    'degraded',
    true,
    'The executor could not start.',
    'Run flotilla doctor: it starts each executor and says what is missing.',
  ),
  // Calls in general
  CALL_ABORTED: row(
    'recoverable',
    false,
    'The call was stopped because its task was cancelled, ended or timed out.',
    'None needed.',
  ),
  CALL_TIMEOUT: row(
    'degraded',
    true,
    'The call passed its time limit.',
    'Raise the time limit of the tool (timeoutMs) or of the profile if it persists.',
  ),
  CALL_OUTCOME_UNKNOWN: row(
    'degraded',
    false,
    'The call was begun by a process that died; it was not repeated, because that is not safe.',
    'Check in the outside system whether the call took effect, then submit the rest as a new task.',
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
  ...fleetErrors,
} as const satisfies Record<string, ErrorRow>
