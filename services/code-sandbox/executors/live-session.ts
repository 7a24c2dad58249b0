// A session on a live interpreter: sends steps and results, and reads its calls.
//
// 1. `drive` serves both a live step and a replay: a call whose result is journalled is answered from the
//    journal, after its name and arguments have been compared; the first call without a result is the live
//    one, and pauses the step.
// 2. The time limit counts only while Python computes.
// 3. A process that was ended from outside (its executor closing, the system short of memory) says nothing
//    about the code: SANDBOX_UNAVAILABLE, and the log rebuilds the session.
import { FlotillaError } from '../../../runtime/errors.ts'
import { plural } from '../../../runtime/text/quantities.ts'
import { argsHashOf, doneAt, hashOf, pausedAt, type JournalledStep } from './session-journal.ts'
import type { Finished, Outcome, PendingCall, ResultEntry, StepEntry, StepOptions } from './port.ts'
import type { Json } from '../../../schemas/json.ts'
import type { Frame, ToolCallFrame } from './frames.ts'
import { MAX_FRAME_BYTES } from './frames.ts'
import type { Interpreter, InterpreterEvent } from './interpreter.ts'
import * as verdicts from './verdicts.ts'

/**
 * Calls requested at once; the rest follow after these: one program's thousand calls must not fill
 * everybody's queue.
 */
const MAX_AT_ONCE = 32
/** Refused calls (beyond the limit) after which the step is killed: the program swallows the refusal. */
const MAX_REFUSALS = 10
/** Reason of an interpreter that was gone before it was asked. */
export const GONE = 'the process was gone before it was asked'
/** The program limits prints itself, in Python's characters, which may be two UTF-16 units. */
const UNITS = 2
/**
 * Characters of prints that a process may send in one step beyond those, with the cost of a frame: one that keeps to
 * the limit does not come near, and each costs this process its reading.
 */
const MAX_PRINTS_BEYOND = 1_000_000
const FRAME_CHARS = 100
const FLOOD = 'it broke the protocol: a flood of frames'
const KILLED_FROM_OUTSIDE = /^the process ended \((SIGKILL|SIGTERM|SIGINT|137|143)\)/

type StepKnown = Pick<JournalledStep, 'calls' | 'results'>
type FinishedFrame = Extract<Frame, { t: 'finished' }>

/** The interpreter did nothing with the request: the log rebuilds the session at once. */
export class SessionGone extends FlotillaError {
  constructor() {
    super('SANDBOX_UNAVAILABLE', GONE)
  }
}

export class LiveSession {
  readonly interpreter: Interpreter
  /** Position of this instance in the log; null while it computes. */
  position: string | null = 'start'
  /** Python is running now. */
  computing = false
  /** Its executor dropped it. */
  dropped = false
  /**
   * How the last step ended, beyond its outcome. `broken` or `slow` (killed at its time limit): the session may be
   * the cause; `reset`: it must be reset.
   */
  ended: 'well' | 'broken' | 'slow' | 'reset' = 'well'
  /** Computing time of the steps that finished here: what a rebuild takes. */
  finishedMs = 0
  /** Timer after which its executor drops it as idle. */
  idle: NodeJS.Timeout | undefined
  #n = 0
  #issued = 0
  #refusals = 0
  #pending: readonly PendingCall[] = []
  #prints = ''
  #printed = 0
  #computeMs = 0

  constructor(interpreter: Interpreter) {
    this.interpreter = interpreter
  }

  async begin(
    step: StepEntry,
    known: StepKnown,
    options: StepOptions,
  ): Promise<Outcome | verdicts.Divergence> {
    const { n, code, nowMs, seed } = step
    const { printChars, valueChars } = options.limits
    this.#n = n
    this.ended = 'well'
    this.#issued = this.#refusals = this.#computeMs = this.#printed = 0
    this.#prints = ''
    const limits = { printChars, valueChars, frameBytes: MAX_FRAME_BYTES / 8 }
    const tools = options.tools.map(({ name, description, input }) => ({ name, description, input }))
    // Tracebacks name the step by it: people count from 1.
    return await this.#drive({ n: n + 1, code, nowMs, seed, tools, limits }, known, options)
  }

  async answer(known: StepKnown, options: StepOptions): Promise<Outcome | verdicts.Divergence> {
    const paused = this.#pause(known)
    if (paused) return paused
    return await this.#drive(this.#resultsFrame(known.results), known, options)
  }

  async #drive(
    first: object,
    known: StepKnown,
    options: StepOptions,
  ): Promise<Outcome | verdicts.Divergence> {
    this.position = null
    for (let frame = first; ;) {
      const event = await this.#compute(frame, options)
      if (event.t !== 'calls') return this.#conclude(event, known, options)
      // Checked before any call is read: hashing as many as a frame holds takes seconds.
      if (this.#issued + event.calls.length > options.limits.toolCalls) {
        if (++this.#refusals > MAX_REFUSALS)
          return this.#endKilled(verdicts.callLimit(options.limits.toolCalls))
        frame = refusal(event.calls.length, options.limits.toolCalls)
        continue
      }
      const calls = this.#numberCalls(event.calls, options)
      if (typeof calls === 'string') return this.#endKilled(verdicts.protocol(calls))
      const diverged = verdicts.compareCalls(this.#n, calls, known.calls)
      if (diverged) return diverged
      this.#issued += calls.length
      this.#pending = calls
      if (charsOf(calls, known) > (options.limits.argumentChars ?? Infinity))
        return this.#endKilled(verdicts.argumentLimit())
      const paused = this.#pause(known)
      if (paused) return paused
      frame = this.#resultsFrame(known.results)
    }
  }

  /** Sends a frame and waits for the answer within what is left of the time limit. */
  async #compute(frame: object, options: StepOptions): Promise<InterpreterEvent> {
    const begunMs = performance.now()
    const leftMs = Math.max(1, options.limits.timeoutMs - this.#computeMs)
    const timer = setTimeout(() => this.interpreter.kill(verdicts.TIMED_OUT), leftMs)
    const stop = () => this.interpreter.kill(verdicts.STOPPED)
    options.signal.addEventListener('abort', stop, { once: true })
    this.computing = true
    try {
      options.signal.throwIfAborted()
      this.interpreter.send(frame, (text) => this.#print(text, options.limits.printChars))
      const event = await this.interpreter.next()
      options.signal.throwIfAborted()
      if (event.t === 'dead' && event.reason === GONE) throw new SessionGone()
      if (event.t === 'dead' && (this.dropped || KILLED_FROM_OUTSIDE.test(event.reason)))
        throw new FlotillaError(
          'SANDBOX_UNAVAILABLE',
          `a Python process ended during a step: ${event.reason}`,
        )
      return event
    } finally {
      this.computing = false
      clearTimeout(timer)
      options.signal.removeEventListener('abort', stop)
      this.#computeMs += performance.now() - begunMs
    }
  }

  #print(text: string, limit: number): void {
    const room = limit * UNITS - this.#prints.length
    if (room > 0) this.#prints += text.slice(0, room)
    this.#printed += text.length + FRAME_CHARS
    if (this.#printed > limit * UNITS + MAX_PRINTS_BEYOND) this.interpreter.kill(FLOOD)
  }

  #numberCalls(calls: readonly ToolCallFrame[], options: StepOptions): PendingCall[] | string {
    const tools = new Set(options.tools.map((tool) => tool.name))
    const stranger = calls.find((call) => !tools.has(call.name))
    if (stranger) return `a call of '${stranger.name.slice(0, 100)}', which is no tool of this step`
    return calls.map((call, index) => ({
      seq: this.#issued + index,
      name: call.name,
      arguments: call.arguments,
      argsHash: argsHashOf(call.name, call.arguments),
    }))
  }

  /** Pauses at the first calls without a result; null if all have one. */
  #pause({ results }: StepKnown): Outcome | null {
    const calls = this.#pending.filter((call) => !results.has(call.seq)).slice(0, MAX_AT_ONCE)
    const last = calls.at(-1)
    if (!last) return null
    this.position = pausedAt(this.#n, last.seq + 1)
    return { status: 'paused', calls, computeMs: Math.round(this.#computeMs) }
  }

  #resultsFrame(results: ReadonlyMap<number, ResultEntry>): object {
    const answers = this.#pending.map((call) => results.get(call.seq))
    const nowMs = Math.max(...answers.map((answer) => answer?.nowMs ?? 0))
    return { nowMs, results: answers.map(resultFrame) }
  }

  #conclude(
    event: Exclude<InterpreterEvent, { t: 'calls' }>,
    known: StepKnown,
    options: StepOptions,
  ): Finished | verdicts.Divergence {
    if (event.t !== 'finished') {
      this.ended = verdicts.isTimeout(event) ? 'slow' : 'broken'
      return this.#endKilled(verdicts.failureClass(event, options.limits.timeoutMs))
    }
    if (event.broken || event.error?.code === 'CODE_MEMORY') {
      this.ended = 'broken'
      return this.#endKilled(event.broken ? verdicts.stopped(event.error) : verdicts.memory())
    }
    if (event.reset) {
      this.ended = 'reset'
      return verdicts.lostStep(null, this.#prints, Math.round(this.#computeMs))
    }
    const unused = [...known.calls.values()].find((call) => call.seq >= this.#issued)
    if (unused) return verdicts.diverged(this.#n, `call ${unused.seq} of ${unused.name} was not made again`)
    this.position = doneAt(this.#n)
    this.finishedMs += this.#computeMs
    return this.#finish(event)
  }

  #finish(frame: FinishedFrame): Finished {
    const error = frame.error && verdicts.stepError(frame.error)
    const prints =
      frame.dropped > 0
        ? `${this.#prints}\n[${plural(frame.dropped, 'more character was', 'more characters were')} printed]`
        : this.#prints
    const isFinal = frame.final && !error
    const finalAnswer = isFinal ? frame.answer : null
    const parts: Json = [frame.value, isFinal, finalAnswer, prints, error && { ...error }]
    return {
      status: 'finished',
      value: frame.value,
      isFinal,
      finalAnswer,
      prints,
      error,
      outputHash: hashOf(parts),
      lost: 'nothing',
      computeMs: Math.round(this.#computeMs),
    }
  }

  /** The interpreter is gone, and with it the effects of the step. */
  #endKilled(error: verdicts.StepError): Finished {
    this.interpreter.kill(error.message)
    return verdicts.lostStep(error, this.#prints, Math.round(this.#computeMs))
  }
}

/** Characters of the arguments of new calls: those of a replay were counted when they were new. */
function charsOf(calls: readonly PendingCall[], known: StepKnown): number {
  const fresh = calls.filter((call) => !known.calls.has(call.seq))
  return fresh.reduce((sum, call) => sum + JSON.stringify(call.arguments).length, 0)
}

function resultFrame(result: ResultEntry | undefined): object {
  if (!result) throw new Error('a call was answered without its result')
  if (result.ok) return { ok: true, value: result.value }
  return { ok: false, code: result.error?.code ?? 'TOOL_FAILED', message: result.error?.message ?? 'failed' }
}

function refusal(count: number, limit: number): object {
  const message = `a step may make ${limit} tool calls`
  return {
    nowMs: 0,
    results: Array.from({ length: count }, () => ({ ok: false, code: 'CODE_LIMIT', message })),
  }
}
