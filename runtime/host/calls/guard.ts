// Limits reserved before a call of one kind and settled after it: tokens of a budget, room within a
// provider's rate.
//
// 1. The call's id is the key: reserved or settled again, it counts once.
// 2. Reserved before the call, settled with its outcome; settling also releases what a call that was not made
//    had reserved.
// 3. The call's beginning and its reservation are asked for in one turn, so that a store takes both in one write.
//    An outcome that the journal had is settled after it: its caller may have died before it did.
// 4. An outcome and its settling too, where the store can make the second depend on the first (`settleIf`).
import type { ValueHead } from '../../store/port.ts'
import type { Call, CallContext, CallFailure, CallOutcome } from '../../stage.ts'

export interface GuardedCall {
  readonly call: Call
  readonly id: string
  readonly key: string
  /** Best-effort event outside the transaction. */
  readonly stream: CallContext['stream']
}

/** What an outcome settles. `settleIf`: null if only `settle` can. */
export interface Settling {
  readonly settle?: (() => Promise<void>) | undefined
  readonly settleIf?: (entry: ValueHead) => Promise<boolean> | null
}

/** The operations reject while the store is away; the host retries them. */
export interface Guard {
  /** False: nothing is limited, and neither of the others is called. */
  applies(call: Call): boolean
  /** Null: go ahead. Else the call is not made, and this is why. */
  reserve(guarded: GuardedCall): Promise<CallFailure | null>
  /**
   * The outcome of a call that was made, before it is journalled: with no estimate of what it cost above what
   * was reserved for it.
   */
  bounded?(guarded: GuardedCall, outcome: CallOutcome): CallOutcome
  settle(guarded: GuardedCall, outcome: CallOutcome): Promise<void>
  /**
   * As `settle`, if the journal's entry is this one by then, in one step: it may be asked for before it is known whether
   * the outcome was recorded. False: nothing was settled, and `settle` has to. Absent: only that can.
   */
  settleIf?(guarded: GuardedCall, outcome: CallOutcome, entry: ValueHead): Promise<boolean>
}
