// The call journal: which calls were begun, by whom, and what they answered.
//
// 1. A call is begun by compare-and-set with the lane's epoch and a lease. A lower epoch than the entry's is refused.
// 2. A recorded outcome answers for ever (within the entry's lifetime): the call is never made again.
// 3. Begun by a former owner without an outcome: while its lease lives the new owner waits (the former one may still
//    finish and record). Lapsed: an idempotent call is made again and counted as in doubt; any other is never made again.
// 4. Where the store is this process's own (setLater), what is known of an idempotent call may stay in memory for a moment:
//    the commit that uses its outcome mostly comes before it is written, and then nothing needs to be; unless a guard settles
//    by the outcome: both are then asked for in one turn, which is one transaction. There is one process, so no zombie and
//    no lease.
// 5. A call is made only under a fresh lease: whoever was stopped between beginning and calling begins again, and
//    finds out whether somebody else has taken the call over. An entry of one's own whose writing was never
//    acknowledged is taken up: no call can have followed it.
// 6. An owner that lost its lane may still record the outcome of a call it has begun, so that nobody pays for it twice.
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
  /** A former owner may have made the call too. */
  inDoubt: boolean
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
/** Begun, and handed on before anything was called. */
interface Released {
  state: 'released'
  epoch: number
}
type Entry = Begun | Done | Forgotten | Released

/** What the host does now. */
export type Beginning =
  /** Make the call; `inDoubt`: a former owner may have made it too. */
  | { do: 'call'; inDoubt: boolean }
  /** `requestChanged`: the stage asked for something else when the outcome was recorded. */
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

export interface CallJournal {
  /** A running call's lease is renewed this often; 0: there is none. What is left of it is for clocks that differ. */
  readonly renewalMs: number
  /** Calls that this process has begun and not ended. */
  readonly open: number
  begin(id: string, owner: string, epoch: number, call: Call): Promise<Beginning>
  /** The recorded outcome; null where there is none. */
  recorded(id: string): Promise<CallOutcome | null>
  /** Prolongs the lease of a running call. False: the entry belongs to somebody else now. */
  renew(id: string, epoch: number): Promise<boolean>
  /**
   * Records the outcome. False: a later owner took the call over, and its outcome counts. `settle` writes what depends on
   * the outcome: behind it, and not without it. Rejects where either failed; both may then be done again.
   */
  finish(
    id: string,
    epoch: number,
    outcome: CallOutcome,
    options: { idempotent: boolean; settle?: (() => Promise<void>) | undefined },
  ): Promise<boolean>
  /** The call was not made, and its next owner makes it: as if never begun. */
  release(id: string, epoch: number): Promise<void>
  /** The process is through with a call that it began, however it ended. */
  end(id: string, epoch: number): void
  /** The commit that used these outcomes is durable: nobody will ask again. */
  forget(ids: readonly string[], epoch: number): Promise<void>
}

export function openJournal(store: KeyValue, clock: Clock, options: JournalOptions): CallJournal {
  const shared = new SharedJournal(store, clock, options)
  return isOwn(store) ? new OwnJournal(store, shared, clock, options) : shared
}

type OwnStore = KeyValue & Required<Pick<KeyValue, 'setLater'>>

const isOwn = (store: KeyValue): store is OwnStore => store.setLater !== undefined

/** Several processes may know of a call: every step is a compare-and-set. */
class SharedJournal implements CallJournal {
  readonly renewalMs: number
  private readonly store: KeyValue
  private readonly clock: Clock
  private readonly options: JournalOptions
  /**
   * Text of the entries that this process has begun, for the next compare-and-set. By id and epoch: a process that loses
   * a lane and gets it back may be at work on the call of both openings.
   */
  private readonly begun = new Map<string, string>()

  constructor(store: KeyValue, clock: Clock, options: JournalOptions) {
    this.renewalMs = options.leaseMs / 3
    this.store = store
    this.clock = clock
    this.options = options
  }

  get open(): number {
    return this.begun.size
  }

  async begin(id: string, owner: string, epoch: number, call: Call): Promise<Beginning> {
    const hash = requestHash(call.request)
    let expected: string | null = null
    let inDoubt = false
    for (;;) {
      const leaseUntilMs = this.clock.now() + this.options.leaseMs
      const entry: Begun = { state: 'begun', epoch, owner, leaseUntilMs, hash, inDoubt }
      const text = JSON.stringify(entry)
      const result = await this.store.compareAndSet(entryKey(id), expected, text, this.options.keepMs)
      if (result.swapped) {
        expected = text
        if (!this.isFresh(entry)) continue
        this.begun.set(beginningOf(id, epoch), text)
        return { do: 'call', inDoubt }
      }
      expected = result.current
      if (result.current === null) continue
      const found = JSON.parse(result.current) as Entry
      const isOurs = isBegunBy(found, owner, epoch) && !this.begun.has(beginningOf(id, epoch))
      const asked = { epoch, hash, idempotent: call.idempotent, nowMs: this.clock.now() }
      const beginning = isOurs ? null : judge(found, asked)
      if (beginning) return beginning
      inDoubt = isOurs ? found.inDoubt : found.state !== 'released'
    }
  }

  /**
   * False: the store was slow, or this process was stopped, for longer than a renewal may take. Others, whose clocks
   * differ, may have taken the call over.
   */
  private isFresh({ leaseUntilMs }: Begun): boolean {
    const { leaseMs } = this.options
    return leaseMs === 0 || this.clock.now() < leaseUntilMs - leaseMs + this.renewalMs
  }

  recorded(id: string): Promise<CallOutcome | null> {
    return recordedIn(this.store, id)
  }

  async renew(id: string, epoch: number): Promise<boolean> {
    const beginning = beginningOf(id, epoch)
    const text = this.begun.get(beginning)
    if (text === undefined) return false
    const leaseUntilMs = this.clock.now() + this.options.leaseMs
    const next = JSON.stringify({ ...(JSON.parse(text) as Begun), leaseUntilMs })
    const result = await this.store.compareAndSet(entryKey(id), text, next, this.options.keepMs)
    if (result.swapped && this.begun.has(beginning)) this.begun.set(beginning, next)
    return result.swapped
  }

  async finish(...[id, epoch, outcome, { settle }]: Parameters<CallJournal['finish']>): Promise<boolean> {
    const isRecorded = await this.record(id, epoch, outcome)
    if (isRecorded) await settle?.()
    return isRecorded
  }

  private async record(id: string, epoch: number, outcome: CallOutcome): Promise<boolean> {
    let expected = this.begun.get(beginningOf(id, epoch))
    if (expected === undefined) return false
    const { hash } = JSON.parse(expected) as Begun
    const next = JSON.stringify({ state: 'done', epoch, hash, outcome } satisfies Done)
    for (;;) {
      const result = await this.store.compareAndSet(entryKey(id), expected, next, this.options.keepMs)
      if (result.swapped || result.current === next) return true
      // A renewal of our own may have been under way.
      if (result.current === null || !isSameBeginning(result.current, expected)) return false
      expected = result.current
    }
  }

  async release(id: string, epoch: number): Promise<void> {
    const text = this.begun.get(beginningOf(id, epoch))
    if (text === undefined) return
    const next = JSON.stringify({ state: 'released', epoch } satisfies Released)
    // By the time that the store hears of it somebody else may have begun the call.
    await this.store.compareAndSet(entryKey(id), text, next, this.options.keepMs)
  }

  end(id: string, epoch: number): void {
    this.begun.delete(beginningOf(id, epoch))
  }

  async forget(ids: readonly string[], epoch: number): Promise<void> {
    const mark = JSON.stringify({ state: 'forgotten', epoch } satisfies Forgotten)
    await Promise.all(ids.map((id) => this.store.set(entryKey(id), mark, this.options.forgottenMs)))
  }
}

/** How long to wait before asking again for a call that is under way in this process. */
const OWN_CALL_MS = 200

/** The store is this process's own: nobody else can begin the call. One that must run once takes the strict way all the same. */
class OwnJournal implements CallJournal {
  readonly renewalMs = 0
  private readonly store: OwnStore
  private readonly strict: CallJournal
  private readonly clock: Clock
  private readonly options: JournalOptions
  private readonly begun = new Map<string, Begun>()

  constructor(store: OwnStore, strict: CallJournal, clock: Clock, options: JournalOptions) {
    this.store = store
    this.strict = strict
    this.clock = clock
    this.options = options
  }

  get open(): number {
    return this.begun.size + this.strict.open
  }

  async begin(id: string, owner: string, epoch: number, call: Call): Promise<Beginning> {
    if (!call.idempotent) return this.strict.begin(id, owner, epoch, call)
    const hash = requestHash(call.request)
    const current = await this.store.get(entryKey(id))
    const nowMs = this.clock.now()
    // The lane was lost and is open again: its call goes on in this very process.
    if (this.begun.has(id)) return { do: 'wait', untilMs: nowMs + OWN_CALL_MS }
    const asked = { epoch, hash, idempotent: true, nowMs }
    const found = current === null ? null : (JSON.parse(current) as Entry)
    const beginning = found && judge(found, asked)
    if (beginning) return beginning
    const inDoubt = found !== null && found.state !== 'released'
    const entry: Begun = { state: 'begun', epoch, owner, leaseUntilMs: nowMs, hash, inDoubt }
    this.note(id, entry)
    this.begun.set(id, entry)
    return { do: 'call', inDoubt }
  }

  recorded(id: string): Promise<CallOutcome | null> {
    return recordedIn(this.store, id)
  }

  renew(id: string, epoch: number): Promise<boolean> {
    return this.begun.has(id) ? Promise.resolve(true) : this.strict.renew(id, epoch)
  }

  async finish(...[id, epoch, outcome, options]: Parameters<CallJournal['finish']>): Promise<boolean> {
    if (!options.idempotent) return this.strict.finish(id, epoch, outcome, options)
    const entry = this.begun.get(id)
    if (entry?.epoch !== epoch) return false
    const done: Done = { state: 'done', epoch, hash: entry.hash, outcome }
    if (options.settle) {
      const recorded = this.store.set(entryKey(id), JSON.stringify(done), this.options.keepMs)
      await Promise.all([recorded, options.settle()])
    } else this.note(id, done)
    return true
  }

  async release(id: string, epoch: number): Promise<void> {
    if (this.begun.get(id)?.epoch === epoch) this.store.setLater(entryKey(id), null)
    else await this.strict.release(id, epoch)
  }

  end(id: string, epoch: number): void {
    if (this.begun.get(id)?.epoch === epoch) this.begun.delete(id)
    this.strict.end(id, epoch)
  }

  async forget(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.store.setLater(entryKey(id), null)
  }

  private note(id: string, entry: Entry): void {
    this.store.setLater(entryKey(id), () => JSON.stringify(entry), this.options.keepMs)
  }
}

interface Asked {
  epoch: number
  hash: string
  idempotent: boolean
  nowMs: number
}

/** Null: take the entry over. */
function judge(entry: Entry, { epoch, hash, idempotent, nowMs }: Asked): Beginning | null {
  if (entry.epoch > epoch || entry.state === 'forgotten') return { do: 'stop' }
  if (entry.state === 'done')
    return { do: 'answer', outcome: entry.outcome, requestChanged: entry.hash !== hash }
  if (entry.state === 'released') return null
  if (entry.leaseUntilMs > nowMs) return { do: 'wait', untilMs: entry.leaseUntilMs }
  return idempotent ? null : { do: 'giveUp' }
}

async function recordedIn(store: KeyValue, id: string): Promise<CallOutcome | null> {
  const current = await store.get(entryKey(id))
  const entry = current === null ? null : (JSON.parse(current) as Entry)
  return entry?.state === 'done' ? entry.outcome : null
}

/** Lease apart, the entry that this owner wrote. */
function isSameBeginning(current: string, ours: string): boolean {
  const { owner, epoch } = JSON.parse(ours) as Begun
  return isBegunBy(JSON.parse(current) as Entry, owner, epoch)
}

function isBegunBy(entry: Entry, owner: string, epoch: number): entry is Begun {
  return entry.state === 'begun' && entry.owner === owner && entry.epoch === epoch
}

function beginningOf(id: string, epoch: number): string {
  return `${epoch}/${id}`
}

function entryKey(id: string): string {
  return `journal:${id}`
}
