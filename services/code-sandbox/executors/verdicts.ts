// Maps the end of a step to a row of the error table: Python's exceptions, a killed process, a diverged
// replay.
import type { ErrorCode } from '../../../runtime/errors.ts'
import type { CallEntry, Finished, PendingCall, SessionEntry, StepError } from './port.ts'
import type { PythonError } from './frames.ts'
import type { InterpreterEvent } from './interpreter.ts'

export type { StepError } from './port.ts'

/** A replay differs from the journal. */
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

export const isTimeout = (event: Exclude<InterpreterEvent, { t: 'calls' | 'finished' }>): boolean =>
  event.t === 'dead' && event.reason === TIMED_OUT

const UNDONE = 'What the step did to variables is undone; tool calls that it made stay made.'

export function failureClass(
  event: Exclude<InterpreterEvent, { t: 'calls' | 'finished' }>,
  timeoutMs: number,
): StepError {
  if (event.t === 'dead') return deadError(event.reason, timeoutMs)
  if (event.full) return memory()
  if (/stack|RangeError/i.test(event.message))
    return hostError('CODE_FAILED', 'RecursionError', `the step recursed too deeply. ${UNDONE}`)
  // Of WebAssembly: what a wait without end and an abort come to.
  const said = /\bunreachable\b/.test(event.message)
    ? 'the program waited for a lock that nothing can release, because there are no threads, or aborted the interpreter'
    : `the interpreter stopped (${event.message})`
  return hostError('CODE_FAILED', 'SystemError', `${said}. ${UNDONE}`)
}

/** The interpreter could not begin the program, or not report its end. */
export function stopped(error: PythonError | null): StepError {
  const said = error ? `${error.class}: ${error.message}`.slice(0, 300) : 'unknown'
  return hostError('CODE_FAILED', 'SystemError', `the interpreter can't run it (${said}). ${UNDONE}`)
}

function deadError(reason: string, timeoutMs: number): StepError {
  if (reason === TIMED_OUT)
    return hostError(
      'CODE_TIMEOUT',
      'TimeoutError',
      `the step computed for more than ${timeoutMs / 1000} s. ${UNDONE}`,
    )
  if (/heap out of memory|\((SIGABRT|134)\)/.test(reason)) return memory()
  if (/\((SIGSEGV|SIGBUS|139|135)\)/.test(reason))
    return hostError(
      'CODE_FAILED',
      'RecursionError',
      `the step recursed too deeply, or broke the interpreter. ${UNDONE}`,
    )
  return hostError('CODE_FAILED', 'SystemError', `the interpreter died: ${reason.slice(0, 300)}. ${UNDONE}`)
}

export const memory = () =>
  hostError('CODE_MEMORY', 'MemoryError', `the step used more memory than its limit. ${UNDONE}`)

export const protocol = (what: string) =>
  hostError('CODE_PERMISSION', 'PermissionError', `the step was killed: ${what}. ${UNDONE}`)

export const callLimit = (limit: number) =>
  hostError('CODE_LIMIT', 'LimitExceeded', `a step may make ${limit} tool calls. ${UNDONE}`)

export const argumentLimit = () =>
  hostError(
    'CODE_LIMIT',
    'LimitExceeded',
    `a task may send and receive 16,000,000 characters by its tool calls; send less. ${UNDONE}`,
  )

export function lostStep(error: StepError | null, prints: string, computeMs: number): Finished {
  const nothing = { value: null, isFinal: false, finalAnswer: null, outputHash: '' }
  return { status: 'finished', ...nothing, prints, error, lost: 'step', computeMs }
}

export const diverged = (n: number, what: string): Divergence => ({
  status: 'diverged',
  message: `step ${n + 1} ran another way than before: ${what}`,
})

export function lostSession({ message }: Divergence): Finished {
  const text = `the Python session was lost and could not be rebuilt exactly (${message}). All variables are gone; begin again.`
  return { ...lostStep(hostError('NONDETERMINISM', 'RuntimeError', text), '', 0), lost: 'session' }
}

const BEGIN_AGAIN = 'The tools are as before; begin again with what you need.'

/** No step can run on top of the earlier ones: their variables are dropped, and listed. */
export function poisonedSession(outcome: Finished, log: readonly SessionEntry[]): Finished {
  const what = outcome.error?.message.replace(` ${UNDONE}`, '') ?? ''
  const text = `${what} An earlier step left the Python session so that nothing runs in it any more; it was reset. ${lost(log)} ${BEGIN_AGAIN}`
  const error = hostError(outcome.error?.code ?? 'CODE_FAILED', outcome.error?.class ?? 'SystemError', text)
  return { ...lostStep(error, outcome.prints, outcome.computeMs), lost: 'session' }
}

/** Adds that variables of earlier steps count too. */
export function withMemoryAdvice(outcome: Finished): Finished {
  const { error } = outcome
  if (error?.code !== 'CODE_MEMORY') return outcome
  const advice =
    'What variables of earlier steps hold counts too: `del` what is not needed, or call reset_session() to begin again without variables.'
  const [message, traceback] = [`${error.message} ${advice}`, `${error.traceback.trimEnd()} ${advice}\n`]
  return { ...outcome, error: { ...error, message, traceback } }
}

/** The program asked for the reset. */
export function resetSession(outcome: Finished, log: readonly SessionEntry[]): Finished {
  const notice = `[The Python session was reset. ${lost(log)} ${BEGIN_AGAIN}]\n`
  return { ...outcome, prints: `${outcome.prints}${notice}`, lost: 'session' }
}

const NAMES_SHOWN = 30
/** No line that binds names is longer; patterns over any longer one would take its length squared. */
const MAX_BINDING_CHARS = 300
const DEFINES = /^(?:(?:async )?def |class )(\w+)/
const IMPORTS = /^(?:import|from \S+ import) +([\w.,* ]+)/
/** What stands before the first `=`, without an annotation and the sign of `+=`. */
const ASSIGNS = /^([\w, ]+)(?::[^=]*)?[-+*/|&]?=(?!=)/

/** Names that code binds at the beginning of its lines: definitions, imports, assignments. */
function namesIn(code: string): string[] {
  const lines = code.split('\n').filter((line) => line.length <= MAX_BINDING_CHARS)
  return lines.flatMap((line) => {
    const bound = [DEFINES, IMPORTS, ASSIGNS].map((pattern) => pattern.exec(line)?.[1]).find(Boolean) ?? ''
    return bound.split(',').flatMap((name) => /(?:^| as )(\w+)[\w.]*$/.exec(name.trim())?.[1] ?? [])
  })
}

/** From the text of the steps: a session that can't run anything can't be asked. */
function lost(log: readonly SessionEntry[]): string {
  const names = [...new Set(log.flatMap((entry) => (entry.kind === 'step' ? namesIn(entry.code) : [])))]
  if (names.length === 0) return 'All variables are gone.'
  const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : ''
  return `All variables, functions and imports are gone: ${names.slice(0, NAMES_SHOWN).join(', ')}${more}.`
}

/** Null if each call is the journalled one; new ones may follow. */
export function compareCalls(
  n: number,
  calls: readonly PendingCall[],
  journalled: ReadonlyMap<number, CallEntry>,
): Divergence | null {
  for (const call of calls) {
    const before = journalled.get(call.seq)
    const isLate = !before && calls.some((other) => other.seq > call.seq && journalled.has(other.seq))
    if (before ? before.argsHash !== call.argsHash : isLate)
      return diverged(
        n,
        `call ${call.seq} was ${before?.name ?? 'not made'}, is ${call.name} with other arguments`,
      )
  }
  return null
}
