// The call journal: which calls were begun, by whom, and what they answered.
//
// 1. A call is begun by compare-and-set with the lane's epoch and a lease. A lower epoch than the entry's is refused.
// 2. A recorded outcome answers for ever (within the entry's lifetime): the call is never made again.
// 3. Begun by a former owner without an outcome: while its lease lives the new owner waits (the former one may still
//    finish and record). Lapsed: an idempotent call is made again and counted as in doubt; any other is never made again.
// 4. Where the store writes with the log's own transactions (setLater), the outcome of an idempotent call is journalled by
//    the commit that uses it; there is one process, so no zombie and no lease.
// 5. An owner that lost its lane may still record the outcome of a call it has begun, so that nobody pays for it twice.
import { requestHash } from './ids.ts'
import type { Call, CallOutcome } from '../stage.ts'
import type { Clock } from '../clock.ts'
import type { KeyValue } from '../store/port.ts'

interface Begun {
  state: 'begun'
  epoch: number
  owner: string
  leaseUntilMs: number
  hash: string
}
interface Done {
  state: 'done'
  epoch: number
  hash: string
  outcome: CallOutcome
}
/** Left behind for a while after the commit, so that a zombie of a lower epoch still finds itself refused. */
interface Forgotten {
  state: 'forgotten'
  epoch: number
}
type Entry = Begun | Done | Forgotten

export type Beginning =
  /** Make the call; `inDoubt`: a former owner may have made it too. */
  | { do: 'call'; inDoubt: boolean }
  | { do: 'answer'; outcome: CallOutcome; requestChanged: boolean }
  /** Somebody else's lease lives until then; ask again. */
  | { do: 'wait'; untilMs: number }
  /** Begun without an outcome, and not safe to repeat. */
  | { do: 'giveUp' }
  /** A later owner of the lane has been here. */
  | { do: 'stop' }

export interface JournalOptions {
  /** 0 where a dead owner is known to be dead (the embedded log's file lock). */
  leaseMs: number
  /** Lifetime of an entry whose commit was never seen. */
  keepMs: number
  /** Lifetime of the mark left after the commit, where a zombie is possible at all. */
  forgottenMs: number
}

export class CallJournal {
  private readonly store: KeyValue
  private readonly clock: Clock
  private readonly options: JournalOptions
  /** Text of the entries that this process has begun, for the next compare-and-set. */
  private readonly begun = new Map<string, string>()

  constructor(store: KeyValue, clock: Clock, options: JournalOptions) {
    this.store = store
    this.clock = clock
    this.options = options
  }

  async begin(id: string, owner: string, epoch: number, call: Call): Promise<Beginning> {
    const hash = requestHash(call.request)
    if (this.store.setLater && call.idempotent) return this.beginAlone(id, owner, epoch, hash)
    let expected: string | null = null
    for (;;) {
      const text = JSON.stringify(this.newEntry(owner, epoch, hash))
      const result = await this.store.compareAndSet(entryKey(id), expected, text, this.options.keepMs)
      if (result.swapped) {
        this.begun.set(id, text)
        return { do: 'call', inDoubt: expected !== null }
      }
      if (result.current === null) expected = null
      else {
        const beginning = this.judge(JSON.parse(result.current) as Entry, epoch, hash, call.idempotent)
        if (beginning) return beginning
        expected = result.current
      }
    }
  }

  /** Where the store is this process's own: nobody else can begin the call, and noting that it is begun may wait. */
  private async beginAlone(id: string, owner: string, epoch: number, hash: string): Promise<Beginning> {
    const current = await this.store.get(entryKey(id))
    const beginning = current === null ? null : this.judge(JSON.parse(current) as Entry, epoch, hash, true)
    if (beginning) return beginning
    const text = JSON.stringify(this.newEntry(owner, epoch, hash))
    this.store.setLater?.(entryKey(id), text, this.options.keepMs)
    this.begun.set(id, text)
    return { do: 'call', inDoubt: current !== null }
  }

  private newEntry(owner: string, epoch: number, hash: string): Begun {
    return { state: 'begun', epoch, owner, leaseUntilMs: this.clock.now() + this.options.leaseMs, hash }
  }

  /** Null: take the entry over. */
  private judge(entry: Entry, epoch: number, hash: string, idempotent: boolean): Beginning | null {
    if (entry.epoch > epoch || entry.state === 'forgotten') return { do: 'stop' }
    if (entry.state === 'done')
      return { do: 'answer', outcome: entry.outcome, requestChanged: entry.hash !== hash }
    if (entry.leaseUntilMs > this.clock.now()) return { do: 'wait', untilMs: entry.leaseUntilMs }
    return idempotent ? null : { do: 'giveUp' }
  }

  /** Prolongs the lease of a running call. False: the entry belongs to somebody else now. */
  async renew(id: string): Promise<boolean> {
    const text = this.begun.get(id)
    if (text === undefined) return false
    const next = JSON.stringify({
      ...(JSON.parse(text) as Begun),
      leaseUntilMs: this.clock.now() + this.options.leaseMs,
    })
    const result = await this.store.compareAndSet(entryKey(id), text, next, this.options.keepMs)
    if (result.swapped && this.begun.has(id)) this.begun.set(id, next)
    return result.swapped
  }

  /** Records the outcome. False: a later owner took the call over, and its outcome counts. */
  async finish(id: string, epoch: number, outcome: CallOutcome, idempotent: boolean): Promise<boolean> {
    let expected = this.begun.get(id)
    if (expected === undefined) return false
    const done: Done = { state: 'done', epoch, hash: (JSON.parse(expected) as Begun).hash, outcome }
    const next = JSON.stringify(done)
    if (this.store.setLater && idempotent) {
      // Written with the commit that follows, at the latest.
      this.store.setLater(entryKey(id), next, this.options.keepMs)
      this.begun.delete(id)
      return true
    }
    for (;;) {
      const result = await this.store.compareAndSet(entryKey(id), expected, next, this.options.keepMs)
      if (result.swapped || result.current === next) break
      // A renewal of our own may have been under way.
      if (result.current === null || !isSameBeginning(result.current, expected)) return false
      expected = result.current
    }
    this.begun.delete(id)
    return true
  }

  /** The call was not made after all (its breaker was open): as if never begun. */
  async release(id: string): Promise<void> {
    if (!this.begun.delete(id)) return
    if (this.store.setLater) this.store.setLater(entryKey(id), null)
    else await this.store.delete([entryKey(id)])
  }

  /** The commit that used these outcomes is durable: nobody will ask again. */
  async forget(ids: readonly string[], epoch: number): Promise<void> {
    if (this.store.setLater) return ids.forEach((id) => this.store.setLater?.(entryKey(id), null))
    const mark = JSON.stringify({ state: 'forgotten', epoch } satisfies Forgotten)
    await Promise.all(ids.map((id) => this.store.set(entryKey(id), mark, this.options.forgottenMs)))
  }

  get leaseMs(): number {
    return this.options.leaseMs
  }
}

/** Lease apart, the entry that this owner wrote. */
function isSameBeginning(current: string, ours: string): boolean {
  const [found, expected] = [JSON.parse(current) as Entry, JSON.parse(ours) as Begun]
  return found.state === 'begun' && found.owner === expected.owner && found.epoch === expected.epoch
}

function entryKey(id: string): string {
  return `journal:${id}`
}
