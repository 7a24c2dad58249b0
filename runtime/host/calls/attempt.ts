// One attempt at a call: within its time limit, stopped by a cancel, and never rejecting.
//
// 1. A caller that is stopped has GRACE_MS to end by itself, because only it knows what the call has used:
//    the details of its failure are those of the outcome. A caller that takes longer is abandoned.
// 2. However the caller ends after it was stopped, the outcome is the stop's (CALL_ABORTED, CALL_TIMEOUT):
//    nobody waits for the answer.
// 3. The outcome says whether the caller was invoked at all: a call that may have reached the outside may
//    have cost something.
import { boundedDetails } from '../../text/bounded-text.ts'
import { exactTime } from '../../text/quantities.ts'
import { redactedJson } from '../../text/redaction.ts'
import type { Clock } from '../../clock.ts'
import { FlotillaError, toFailure } from '../../errors.ts'
import type { Call, CallContext, CallFailure, CallOutcome, Caller } from '../../stage.ts'
import type { Instruments } from '../../telemetry/instruments.ts'
import type { StopSignal } from './stop.ts'

/** Runs `work` unless the breaker of this name is open (BREAKER_OPEN), and learns from how it ends. */
export interface Breakers {
  run<T>(name: string, work: () => Promise<T>): Promise<T>
}

export interface CallRequest {
  readonly call: Call
  readonly id: string
  readonly key: string
  readonly owner: string
  readonly epoch: number
  /** Aborted by cancel and deadline. */
  readonly interrupted: StopSignal
  /** Aborted when the lane is lost. */
  readonly lost: AbortSignal
  readonly traceparent: string | null
  readonly stream: CallContext['stream']
  /** Whether the journal may have lost that a former owner began it. Null, or absent: no. */
  readonly mayBeLost?: (() => Promise<boolean>) | null
  /** Called if a former owner of the lane had begun the call. */
  readonly onResumed?: () => void
}

/** Long enough for a callback or two on a busy machine, and hardly noticed by the user who cancels. */
const GRACE_MS = 500

export interface AttemptParts {
  readonly callers: Readonly<Record<string, Caller>>
  readonly breakers: Breakers
  readonly clock: Clock
  readonly instruments: Pick<Instruments, 'log' | 'count' | 'observe'>
  /** Label of the metrics. */
  readonly stage?: string
}

/** `taken`: aborted when another owner has taken the call over. */
export async function attempt(
  parts: AttemptParts,
  request: CallRequest,
  taken?: AbortSignal,
): Promise<CallOutcome> {
  const { breakers, clock } = parts
  const { call, id } = request
  const startedMs = clock.now()
  const asked = new Asked(parts, request, taken)
  let outcome: CallOutcome
  try {
    const name = call.breaker ?? `${call.kind}:${call.target}`
    const answer = await breakers.run(name, () => asked.answer())
    // The answer may repeat a key that was sent.
    outcome = { ok: true, value: redactedJson(answer ?? null), startedMs, endedMs: clock.now(), callId: id }
  } catch (error) {
    const made = asked.made ? { made: true } : {}
    const failed = failureOf(parts, call, error)
    outcome = { ok: false, failure: failed, startedMs, endedMs: clock.now(), callId: id, ...made }
  } finally {
    asked.end()
  }
  measure(parts, call, outcome)
  return outcome
}

function failureOf({ instruments }: AttemptParts, { target }: Call, error: unknown): CallFailure {
  const failed: CallFailure = toFailure(error)
  if (failed.code === 'INTERNAL')
    instruments.log.error(
      { err: error, target },
      'caller threw an unexpected error; the call failed with INTERNAL',
    )
  if (error instanceof FlotillaError && error.details !== undefined)
    failed.details = boundedDetails(error.details)
  return failed
}

function measure(parts: AttemptParts, call: Call, outcome: CallOutcome): void {
  const { instruments, stage = '' } = parts
  const { kind, target } = call
  const code = outcome.ok ? 'ok' : outcome.failure.code
  instruments.count('calls', 1, { stage, kind, target, outcome: code })
  instruments.observe('call', (outcome.endedMs - outcome.startedMs) / 1_000, { stage, kind, target })
  if (isUnknown(call, outcome)) countDoubt(parts, call, 'unknown')
}

/** Whether a call that must not be made twice may have taken effect without an answer. */
function isUnknown({ idempotent }: Call, outcome: CallOutcome): boolean {
  if (idempotent || outcome.ok || !outcome.made) return false
  return ['CALL_TIMEOUT', 'CALL_OUTCOME_UNKNOWN'].includes(outcome.failure.code)
}

export function countDoubt(
  { instruments, stage = '' }: AttemptParts,
  { kind, target }: Call,
  outcome: 'repeated' | 'unknown',
): void {
  instruments.count('calls_in_doubt', 1, { stage, kind, target, outcome })
}

/** A call that is made, and what stops it: a cancel, another owner of its lane, its time limit. Until its `end`. */
class Asked implements CallContext {
  made = false
  readonly #parts: AttemptParts
  readonly #request: CallRequest
  readonly #taken: AbortSignal | undefined
  readonly #cancelTimer: () => void
  /** Why it was stopped. */
  #stopped: FlotillaError | null = null
  /** Made for a caller that asks for it. */
  #stop: AbortController | null = null
  /** Called when it is stopped. */
  #onStopped: (error: FlotillaError) => void = nothing

  constructor(parts: AttemptParts, request: CallRequest, taken: AbortSignal | undefined) {
    this.#parts = parts
    this.#request = request
    this.#taken = taken
    const { clock } = parts
    const { timeoutMs, untilMs = Number.POSITIVE_INFINITY } = request.call
    onAbort(request.interrupted, this.#cancelled)
    if (taken) onAbort(taken, this.#takenOver)
    const leftMs = Math.max(0, Math.min(timeoutMs, untilMs - clock.now()))
    this.#cancelTimer = clock.schedule(leftMs, () => this.#timedOut())
  }

  get callId(): string {
    return this.#request.id
  }

  get key(): string {
    return this.#request.key
  }

  get traceparent(): string | null {
    return this.#request.traceparent
  }

  get stream(): CallContext['stream'] {
    return this.#request.stream
  }

  get signal(): AbortSignal {
    if (this.#stop === null) {
      this.#stop = new AbortController()
      if (this.#stopped) this.#stop.abort(this.#stopped)
    }
    return this.#stop.signal
  }

  /** Ends soon after the call is stopped, whether the caller heeds that or not. */
  answer(): Promise<unknown> {
    const { call } = this.#request
    const { callers, clock } = this.#parts
    return new Promise((resolve, reject) => {
      if (this.#stopped) return reject(this.#stopped)
      const caller = callers[call.kind]
      if (!caller) throw new FlotillaError('INTERNAL', `no caller for calls of kind ${call.kind}`)
      let cancelGrace = nothing
      const stopped = ({ code, message }: FlotillaError, details?: unknown): void => {
        cancelGrace()
        reject(new FlotillaError(code, message, { details }))
      }
      // Not in one statement: V8 puts a function that is assigned to a property into the old generation, where it keeps what
      // it refers to through every collection of the young one.
      const onStopped = (error: FlotillaError): void => {
        cancelGrace = clock.schedule(GRACE_MS, () => stopped(error))
      }
      this.#onStopped = onStopped
      this.made = true
      // A call's request is opaque to the host: the service pairs each kind with the caller that understands
      // it.
      caller(call.request as never, this).then(
        (value) => (this.#stopped ? stopped(this.#stopped, value) : resolve(value)),
        (error: unknown) =>
          this.#stopped ? stopped(this.#stopped, detailsOf(error)) : reject(error as Error),
      )
    })
  }

  /** Nothing stops it any more. */
  end(): void {
    this.#request.interrupted.removeEventListener('abort', this.#cancelled)
    this.#taken?.removeEventListener('abort', this.#takenOver)
    this.#cancelTimer()
  }

  readonly #cancelled = (): void => this.#abort('its task was cancelled or ended')
  readonly #takenOver = (): void => this.#abort('another owner of its lane has taken it over')

  #abort(why: string): void {
    const { kind, target } = this.#request.call
    this.#stopFor(new FlotillaError('CALL_ABORTED', `${kind} ${target} was stopped: ${why}`))
  }

  #timedOut(): void {
    const { kind, target, timeoutMs, untilMs = Number.POSITIVE_INFINITY } = this.#request.call
    if (this.#parts.clock.now() >= untilMs) return this.#abort('its task has no time left')
    const message = `${kind} ${target} did not answer within ${exactTime(timeoutMs)}`
    this.#stopFor(new FlotillaError('CALL_TIMEOUT', message))
  }

  #stopFor(error: FlotillaError): void {
    if (this.#stopped) return
    this.#stopped = error
    this.#onStopped(error)
    this.#stop?.abort(error)
  }
}

const nothing = (): void => {}

function onAbort(signal: StopSignal, listener: () => void): void {
  if (signal.aborted) listener()
  else signal.addEventListener('abort', listener, { once: true })
}

const detailsOf = (error: unknown): unknown => (error instanceof FlotillaError ? error.details : undefined)
