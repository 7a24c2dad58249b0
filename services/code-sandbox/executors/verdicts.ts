// What an end means: Python's exceptions, a killed process or a replay that went another way, as rows of the error table.
import type { ErrorCode } from '../../../runtime/errors.ts'
import type { CallEntry, Finished, PendingCall, StepError } from './port.ts'
import type { PythonError } from './frames.ts'
import type { InterpreterEvent } from './interpreter.ts'

export type { StepError } from './port.ts'

/** A replay did not do what the journal says. */
export interface Divergence {
  readonly status: 'diverged'
  readonly message: string
}

export const TIMED_OUT = 'the time limit passed'
export const STOPPED = 'the step was stopped'

const PYTHON_CODES = new Map<string, ErrorCode>(
  (['CODE_SYNTAX', 'CODE_FAILED', 'CODE_MEMORY', 'CODE_PERMISSION', 'CODE_LIMIT'] as const).map((code) => [
    code,
    code,
  ]),
)
const MAX_TEXT = 20_000

/** The code comes from the interpreter: an unknown one counts as CODE_FAILED. */
export function stepError(error: PythonError): StepError {
  return {
    code: PYTHON_CODES.get(error.code) ?? 'CODE_FAILED',
    class: error.class.slice(0, 200),
    message: error.message.slice(0, MAX_TEXT),
    traceback: error.traceback.slice(0, MAX_TEXT),
  }
}

const hostError = (code: ErrorCode, name: string, message: string): StepError => ({
  code,
  class: name,
  message,
  traceback: `${name}: ${message}\n`,
})

const UNDONE = 'What the step did to variables is undone; tool calls that it made stay made.'

export function failureClass(
  event: Exclude<InterpreterEvent, { t: 'calls' | 'finished' }>,
  timeoutMs: number,
): StepError {
  if (event.t === 'dead') return deadError(event.reason, timeoutMs)
  if (event.full) return memory()
  if (/stack|RangeError/i.test(event.message))
    return hostError('CODE_FAILED', 'RecursionError', `the step recursed too deeply. ${UNDONE}`)
  return hostError('CODE_FAILED', 'SystemError', `the interpreter stopped (${event.message}). ${UNDONE}`)
}

function deadError(reason: string, timeoutMs: number): StepError {
  if (reason === TIMED_OUT)
    return hostError(
      'CODE_TIMEOUT',
      'TimeoutError',
      `the step computed for more than ${timeoutMs / 1000} s. ${UNDONE}`,
    )
  if (/heap out of memory|\((SIGABRT|134)\)/.test(reason)) return memory()
  return hostError('CODE_FAILED', 'SystemError', `the interpreter died: ${reason.slice(0, 300)}. ${UNDONE}`)
}

export const memory = () =>
  hostError('CODE_MEMORY', 'MemoryError', `the step used more memory than its limit. ${UNDONE}`)

export const protocol = (what: string) =>
  hostError('CODE_PERMISSION', 'PermissionError', `the step was killed: ${what}. ${UNDONE}`)

export const callLimit = (limit: number) =>
  hostError('CODE_LIMIT', 'LimitExceeded', `a step may make ${limit} tool calls. ${UNDONE}`)

export function lostStep(error: StepError, prints: string, computeMs: number): Finished {
  const nothing = { value: null, isFinal: false, finalAnswer: null, outputHash: '' }
  return { status: 'finished', ...nothing, prints, error, lost: 'step', computeMs }
}

export const diverged = (n: number, what: string): Divergence => ({
  status: 'diverged',
  message: `step ${n} ran another way than before: ${what}`,
})

export function lostSession({ message }: Divergence): Finished {
  const text = `the Python session was lost and could not be rebuilt exactly (${message}). All variables are gone; begin again.`
  return { ...lostStep(hostError('NONDETERMINISM', 'RuntimeError', text), '', 0), lost: 'session' }
}

/** Null when each call is the journalled one, or all are new. */
export function compareCalls(
  n: number,
  calls: readonly PendingCall[],
  journalled: ReadonlyMap<number, CallEntry>,
): Divergence | null {
  for (const call of calls) {
    const before = journalled.get(call.seq)
    if (before ? before.argsHash !== call.argsHash : calls.some((other) => journalled.has(other.seq)))
      return diverged(
        n,
        `call ${call.seq} was ${before?.name ?? 'not made'}, is ${call.name} with other arguments`,
      )
  }
  return null
}
