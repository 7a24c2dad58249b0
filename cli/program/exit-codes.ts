// How the command ends: 0 to 5 say how it went, from 64 on (sysexits.h) why the command could not do its work,
// and 130, as shells have it for SIGINT, that it was interrupted.
import type { TaskResult } from '../../client/types.ts'
import { FlotillaError, type ErrorCode } from '../../runtime/errors.ts'

export const exitCodes = {
  success: { code: 0, meaning: 'success' },
  failed: { code: 1, meaning: 'the task failed, or a check did' },
  rejected: { code: 2, meaning: 'the task was rejected' },
  cancelled: { code: 3, meaning: 'the task was cancelled' },
  timedOut: { code: 4, meaning: 'the task timed out' },
  pending: { code: 5, meaning: 'no result yet' },
  usage: { code: 64, meaning: 'wrong arguments or options' },
  notFound: { code: 66, meaning: 'what was named does not exist' },
  unavailable: { code: 69, meaning: 'the fleet, or what it needs, is not available' },
  bug: { code: 70, meaning: 'a bug in Flotilla' },
  denied: { code: 77, meaning: 'the fleet does not accept the key, or the key does not allow it' },
  config: { code: 78, meaning: 'the configuration is invalid' },
  interrupted: { code: 130, meaning: 'Ctrl-C ended the command; its last line says how to go on' },
} as const

type Ending = keyof typeof exitCodes

const endings: Readonly<Record<TaskResult['status'], Ending>> = {
  succeeded: 'success',
  failed: 'failed',
  rejected: 'rejected',
  cancelled: 'cancelled',
  timed_out: 'timedOut',
}

/** The exit code of a command that shows this result. */
export const exitCode = (status: TaskResult['status']): number => exitCodes[endings[status]].code

/** Errors that end a command; each other code of the error table is a failure. */
const causes: Partial<Readonly<Record<Ending, readonly ErrorCode[]>>> = {
  rejected: [
    'TASK_INVALID',
    'TASK_ID_REUSED',
    'TASK_TEXT_FORBIDDEN',
    'PROFILE_UNKNOWN',
    'AGENT_UNKNOWN',
    'OVERRIDE_NOT_ALLOWED',
    'MODEL_NOT_CONFIGURED',
    'EXECUTOR_NOT_CONFIGURED',
    'QUEUE_FULL',
    'RATE_LIMITED',
    'BUDGET_EXCEEDED',
  ],
  cancelled: ['TASK_CANCELLED'],
  timedOut: ['TASK_TIMED_OUT'],
  usage: ['REQUEST_INVALID'],
  notFound: ['NOT_FOUND', 'TASK_UNKNOWN', 'CALL_UNKNOWN'],
  unavailable: [
    'LOG_UNAVAILABLE',
    'TOPICS_MISSING',
    'REGISTRY_UNAVAILABLE',
    'STORE_UNAVAILABLE',
    'DATA_LOCKED',
    'NO_FLEET',
    'PORT_IN_USE',
    'GATEWAY_UNAVAILABLE',
    'SANDBOX_UNAVAILABLE',
    'TOO_MANY_STREAMS',
    'ISSUER_UNAVAILABLE',
    'READER_TOO_SLOW',
    'SEARCH_UNFINISHED',
    'WORKER_BUSY',
  ],
  bug: ['INTERNAL'],
  denied: ['UNAUTHENTICATED', 'FORBIDDEN', 'TOO_MANY_ATTEMPTS'],
  config: [
    'CONFIG_INVALID',
    'TOPICS_MISMATCH',
    'STORE_NOT_DURABLE',
    'SCHEMA_INCOMPATIBLE',
    'REGISTRY_CHANGED',
    'CHANNEL_NOT_CONFIGURED',
  ],
}

/** The exit code of a command that ends with this error; what is no error of the table is a bug. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof FlotillaError)) return exitCodes.bug.code
  const found = Object.entries(causes).find(([, codes]) => codes.includes(error.code))
  return exitCodes[(found?.[0] ?? 'failed') as Ending].code
}

/** Shown by the help of commands that end with a task's status. */
export const exitCodeHelp = `Exit code: 0 succeeded, 1 failed, 2 rejected, 3 cancelled, 4 timed out;
from 64 on the command could not do its work (docs/cli.md).`
