// One attempt at a call: within its time limit, stopped by a cancel, and never rejecting.
//
// 1. A caller that is stopped has GRACE_MS to end by itself, because only it knows what the call has used:
//    the details of its failure are those of the outcome. A caller that takes longer is abandoned.
// 2. However the caller ends after it was stopped, the outcome is the stop's (CALL_ABORTED, CALL_TIMEOUT):
//    nobody waits for the answer.
// 3. The outcome says whether the caller was invoked at all: a call that may have reached the outside may
//    have cost something.
import { boundedDetails } from '../../bounded-text.ts'
import { exactTime } from '../../quantities.ts'
import { redactedJson } from '../../redaction.ts'
import type { Clock } from '../../clock.ts'
import { FlotillaError, toFailure } from '../../errors.ts'
import type { CallContext, CallFailure, CallOutcome, Caller } from '../../stage.ts'
import type { Instruments } from '../../telemetry/instruments.ts'
import type { Breakers, CallRequest } from './calls.ts'

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
  const outcome = await attemptUnmeasured(parts, request, taken)
  const { kind, target } = request.call
  const labels = { stage: parts.stage ?? '', kind, target }
  parts.instruments.count('calls', 1, { ...labels, outcome: outcome.ok ? 'ok' : outcome.failure.code })
  parts.instruments.observe('call', (outcome.endedMs - outcome.startedMs) / 1_000, labels)
  return outcome
}

async function attemptUnmeasured(
  parts: AttemptParts,
  request: CallRequest,
  taken?: AbortSignal,
): Promise<CallOutcome> {
  const { call, id } = request
  const { clock, instruments } = parts
  const startedMs = clock.now()
  const asked = new Asked(parts, request)
  try {
    // The answer may repeat a key that was sent.
    const value = redactedJson((await limited(parts, request, asked, taken)) ?? null)
    return { ok: true, value, startedMs, endedMs: clock.now(), callId: id }
  } catch (error) {
    const failed: CallFailure = toFailure(error)
    if (failed.code === 'INTERNAL')
      instruments.log.error(
        { err: error, target: call.target },
        'caller threw an unexpected error; the call failed with INTERNAL',
      )
    if (error instanceof FlotillaError && error.details !== undefined)
      failed.details = boundedDetails(error.details)
    const made = asked.made ? { made: true } : {}
    return { ok: false, failure: failed, startedMs, endedMs: clock.now(), callId: id, ...made }
  }
}

async function limited(
  { breakers, clock }: AttemptParts,
  { call, interrupted }: CallRequest,
  asked: Asked,
  taken: AbortSignal | undefined,
): Promise<unknown> {
  const { kind, target, timeoutMs, untilMs = Number.POSITIVE_INFINITY } = call
  const startedMs = clock.now()
  const stop = new AbortController()
  const stopped = (why: string) => () =>
    stop.abort(new FlotillaError('CALL_ABORTED', `${kind} ${target} was stopped: ${why}`))
  const late = stopped('its task has no time left')
  const expired = () =>
    stop.abort(
      new FlotillaError('CALL_TIMEOUT', `${kind} ${target} did not answer within ${exactTime(timeoutMs)}`),
    )
  const unlisten = [
    onAbort(interrupted, stopped('its task was cancelled or ended')),
    onAbort(taken, stopped('another owner of its lane has taken it over')),
    clock.schedule(Math.max(0, Math.min(timeoutMs, untilMs - startedMs)), () =>
      clock.now() >= untilMs ? late() : expired(),
    ),
  ]
  try {
    return await breakers.run(call.breaker ?? `${kind}:${target}`, () => asked.answer(stop.signal))
  } finally {
    for (const end of unlisten) end()
  }
}

function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal?.aborted) listener()
  signal?.addEventListener('abort', listener, { once: true })
  return () => signal?.removeEventListener('abort', listener)
}

class Asked {
  made = false
  readonly #parts: AttemptParts
  readonly #request: CallRequest

  constructor(parts: AttemptParts, request: CallRequest) {
    this.#parts = parts
    this.#request = request
  }

  /** Ends soon after the signal aborts, whether the caller heeds it or not. */
  answer(signal: AbortSignal): Promise<unknown> {
    const { call, id: callId, key, traceparent, stream } = this.#request
    const { callers, clock } = this.#parts
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error)
      const caller = callers[call.kind]
      if (!caller) throw new FlotillaError('INTERNAL', `no caller for calls of kind ${call.kind}`)
      let cancelGrace = () => {}
      const stopped = (details?: unknown): void => {
        cancelGrace()
        const { code, message } = signal.reason as FlotillaError
        reject(new FlotillaError(code, message, { details }))
      }
      const startGrace = () => (cancelGrace = clock.schedule(GRACE_MS, stopped))
      signal.addEventListener('abort', startGrace, { once: true })
      this.made = true
      // A call's request is opaque to the host: the service pairs each kind with the caller that understands
      // it.
      caller(call.request as never, { callId, key, signal, traceparent, stream } satisfies CallContext).then(
        (value) => (signal.aborted ? stopped(value) : resolve(value)),
        (error: unknown) => (signal.aborted ? stopped(detailsOf(error)) : reject(error as Error)),
      )
    })
  }
}

const detailsOf = (error: unknown): unknown => (error instanceof FlotillaError ? error.details : undefined)
