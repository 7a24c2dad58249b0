// Record of the outside world: every call that reached a model, a tool or a sandbox, as its server would have
// counted it.
import type { CallOutcome } from '../../stage.ts'
import type { FaultKind } from './fate.ts'

export interface SeenCall {
  readonly callId: string
  readonly kind: string
  /** The task. */
  readonly taskId: string
  /** The effect of the call that must not happen twice; null for a call that may be repeated. */
  readonly effect: string | null
  /** Process that made it. */
  readonly process: string
  readonly atMs: number
  /** When its host began to make it: later delays, like a slow network, are out of its control. */
  readonly begunMs: number
  readonly stage: string
  readonly lane: number
  /** Epoch of the lane, as that process had opened it. */
  readonly epoch: number
  /** Whether nobody had opened the lane since. */
  readonly byOwner: boolean
  endedMs: number | null
  /** Tokens that the model charged for, if it answered. */
  tokens: { input: number; output: number } | null
  /** Tokens that the model charged for, if it was stopped. */
  stoppedWith: { input: number; output: number } | null
  /** Whether the client of a stopped call knew that figure. */
  isTold: boolean
}

/** Why a process may have lost its calls: `since` when it has been in this trouble. */
export interface Trouble {
  readonly kind: FaultKind | 'ended'
  readonly atMs: number
}

export class CallBook {
  readonly calls: SeenCall[] = []
  readonly violations: string[] = []
  /** Repeats by the fault that explains them. */
  readonly explained = new Map<string, number>()
  readonly #byId = new Map<string, SeenCall[]>()
  readonly #effects = new Set<string>()
  /** Calls whose entry in the journal the store has lost, and how often they were made after that. */
  readonly #forgotten = new Map<string, number>()
  readonly #journalled = new Map<string, CallOutcome>()
  readonly #troubleOf: (process: string, sinceMs: number) => Trouble | null

  /** `troubleOf`: the fault of the process since then, if any, that may have cost it a call under way. */
  constructor(troubleOf: (process: string, sinceMs: number) => Trouble | null) {
    this.#troubleOf = troubleOf
  }

  /** A call arrives. */
  arrive(call: Omit<SeenCall, 'endedMs' | 'tokens' | 'stoppedWith' | 'isTold'>): SeenCall {
    const earlier = this.#byId.get(call.callId) ?? []
    const wasForgotten = this.#noteForgotten(call.callId, earlier.length > 0)
    const isLate = this.#troubleOf(call.process, call.begunMs) !== null
    if (this.#journalled.has(call.callId) && !isLate)
      this.violations.push(`journalled ${call.kind} call ${call.callId} was made again by ${call.process}`)
    if (!wasForgotten) for (const before of earlier) this.#explain(before, call)
    if (call.effect !== null && this.#effects.has(call.effect) && !wasForgotten)
      this.violations.push(`${call.effect} is not idempotent and ran twice`)
    if (call.effect !== null) this.#effects.add(call.effect)
    const seen: SeenCall = { ...call, endedMs: null, tokens: null, stoppedWith: null, isTold: false }
    this.calls.push(seen)
    this.#byId.set(call.callId, [...earlier, seen])
    return seen
  }

  /** The store has lost its entry: whether it was made is unknown. No promise covers it; it is counted. */
  forget(callId: string): void {
    this.#journalled.delete(callId)
    if (!this.#forgotten.has(callId)) this.#forgotten.set(callId, 0)
  }

  /** Calls made more than once because the store had lost their entries. */
  get repeatedUnknown(): number {
    return [...this.#forgotten.values()].reduce((sum, count) => sum + count, 0)
  }

  #noteForgotten(callId: string, isRepeated: boolean): boolean {
    const count = this.#forgotten.get(callId)
    if (count === undefined) return false
    if (isRepeated) {
      this.#forgotten.set(callId, count + 1)
      this.explained.set('store-forgets', (this.explained.get('store-forgets') ?? 0) + 1)
    }
    return true
  }

  #explain(before: SeenCall, again: Pick<SeenCall, 'process' | 'begunMs'>): void {
    const trouble =
      this.#troubleOf(before.process, before.atMs) ?? this.#troubleOf(again.process, again.begunMs)
    if (trouble) this.explained.set(trouble.kind, (this.explained.get(trouble.kind) ?? 0) + 1)
    else
      this.violations.push(
        `${before.kind} call ${before.callId} of ${before.process}, which is well, was repeated by ${again.process}`,
      )
  }

  /** Calls of this id, in order. */
  of(callId: string): readonly SeenCall[] {
    return this.#byId.get(callId) ?? []
  }

  /** Its outcome is in the journal: from now on it must not be made again. */
  noteJournalled(callId: string, outcome: CallOutcome): void {
    this.#journalled.set(callId, outcome)
  }

  /** Calls that finished, with their journalled outcomes. */
  finished(): Iterable<[string, CallOutcome]> {
    return this.#journalled
  }

  /** Calls made more than once, in doubt. */
  get repeated(): number {
    return [...this.#byId.values()].reduce((sum, calls) => sum + calls.length - 1, 0)
  }
}
