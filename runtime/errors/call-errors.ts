// The error table's rows of calls: tools, Python, and calls in general.
import { row, type ErrorRow } from './row.ts'

export const callErrors = {
  // Tools
  TOOL_UNKNOWN: row(
    'recoverable',
    false,
    'No tool of this name.',
    "The model learns which tools exist. If it should have this one: add it to tools, and to the agent's tools, in flotilla.config.ts.",
  ),
  TOOL_ARGUMENTS_INVALID: row(
    'recoverable',
    false,
    "The arguments do not fit the tool's input schema.",
    "The model learns what is wrong. If it repeats: say in the tool's description and input schema what it needs.",
  ),
  TOOL_FAILED: row(
    'recoverable',
    false,
    'The tool threw an error.',
    'The model sees the error. See the message; if the tool is at fault, correct its run function.',
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
    "The model sees the error. To allow it: approve the call next time, or widen the tool's hosts in flotilla.config.ts.",
  ),
  APPROVAL_EXPIRED: row(
    'recoverable',
    false,
    'Nobody decided in time about a call that waited for a person. It was not made, and nobody refused it.',
    "The model learns that nobody decided. Decide sooner (flotilla approvals list), have somebody notified (requiresApproval.notify), or raise the tool's expiresMs.",
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
    'The MCP server asks for input that no person can give here: something other than a form, or a form beyond the limits.',
    'The model sees the error. Give the tool all that it needs in its arguments, or use a tool that asks by a form, or nothing.',
  ),
  TOOL_NOT_RECORDED: row(
    'recoverable',
    false,
    'The tool policy of the task refused the call: it has no recorded outcome, or every call is refused.',
    'The model sees the error, and the result lists the call under refusedCalls. Fork with --tools ask or live to make such calls.',
  ),
  DELEGATION_LIMIT: row(
    'recoverable',
    false,
    'A call of another agent was refused: nested too deeply, already in the chain, too many tasks, or no budget left.',
    'The model sees the error. Raise limits.delegation.depth or limits.delegation.tasks, or the maxCost of the task.',
  ),
  DELEGATE_FAILED: row(
    'recoverable',
    false,
    'The agent that was asked did not succeed; the message has its error.',
    'The model sees the error. See the task of that agent: its id is in the call.',
  ),
  // Code
  CODE_SYNTAX: row(
    'recoverable',
    false,
    'The code is not valid Python.',
    'The model sees the error and may correct it.',
  ),
  CODE_FAILED: row(
    'recoverable',
    false,
    'The code raised an exception.',
    'The model sees the error and may correct it.',
  ),
  CODE_TIMEOUT: row(
    'recoverable',
    false,
    'The step ran longer than its time limit.',
    'The model sees the error. If it persists: raise limits.codeStepTimeoutMs in flotilla.config.ts.',
  ),
  CODE_MEMORY: row(
    'recoverable',
    false,
    'The step used more memory than its limit.',
    'The model sees the error. If it persists: raise limits.codeMemoryMb in flotilla.config.ts.',
  ),
  CODE_PERMISSION: row(
    'recoverable',
    false,
    'The code tried something that the sandbox forbids.',
    'The model is asked to use the given tools. Files and network are reached by tools only.',
  ),
  CODE_LIMIT: row(
    'recoverable',
    false,
    'The step made too many tool calls or printed too much, or its session holds more than can be rebuilt.',
    'The model sees the error. Let a tool do the loop, print less, or define again what a session that was ended had.',
  ),
  NONDETERMINISM: row(
    'degraded',
    false,
    'A lost session could not be rebuilt exactly.',
    'The model sees this and starts the step again.',
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
} as const satisfies Record<string, ErrorRow>
