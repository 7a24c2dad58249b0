// The call journal: which calls were begun, by whom, and their outcomes.
//
// 1. A call is begun by compare-and-set with the lane's epoch and a lease, which the store keeps by its own
//    clock. A lower epoch than the entry's is refused.
// 2. A recorded outcome answers forever (within the entry's lifetime): the call is never made again.
// 3. Begun by a former owner without an outcome: while its lease lives the new owner waits (the former one
//    may still finish and record), unless its process is proven dead. Lapsed: an idempotent call is made again
//    and counted as in doubt; any other is never made again.
// 4. If the store is this process's own (no lease), a beginning of its own that has not ended is waited for,
//    and any other is of a process that is dead. An outcome and its settling are written in one tick, which
//    is one transaction.
// 5. A call is made only under a fresh lease: a process that was stopped between beginning and calling begins
//    again, and finds out whether somebody else has taken the call over. An entry of this process whose write
//    was never acknowledged is reused: no call can have followed it.
// 6. An owner that lost its lane may still record the outcome of a call it has begun, so that nobody pays for
//    it twice.
// 7. Every write may be repeated, since its answer may be lost: the text of a beginning never changes, and an
//    entry of this process's that the store has lost (in a failover) is written again.
// 8. The outcome of one call never answers another: an entry of another task, kind or target under this id,
//    or one that is done with in an epoch that is not above ours, says that the id was used before. Nothing
//    is known of this call then, nor by a text that is no entry.
// 9. No entry says that the call was never begun, unless the store may have lost one: then as in 3.
import { rowObject } from '../../log/row-object.ts'
import { requestHash } from '../lane/ids.ts'
import type { Call, CallOutcome } from '../../stage.ts'
import type { Clock } from '../../clock.ts'
import type { KeyValue, Lifetime } from '../../store/port.ts'
import type { Settling } from './guard.ts'

interface Begun {
  state: 'begun'
  epoch: number
  owner: string
  /** For processes of a release that compared clocks: later than the call can end. */
  leaseUntilMs: number
  /** The lease is the store's. Absent in entries of those processes. */
  leased?: true
  hash: string
  of?: string
  /** A former owner may have made the call too. */
  inDoubt: boolean
}
interface Done {
  state: 'done'
  epoch: number
  hash: string
  /** Hash of task, kind and target. Absent in entries of earlier releases. */
  of?: string
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
/** Another program has written over the entry. */
interface Unreadable {
  state: 'unreadable'
  epoch: -1
}
type Entry = Begun | Done | Forgotten | Released | Unreadable

/** An entry that this process has begun: its text, and the hashes in it. */
interface Own {
  readonly text: string
  readonly hash: string
  readonly of: string
}

/** Tells the host how to go on. */
export type Beginning =
  /** Make the call; `inDoubt`: a former owner may have made it too. */
  | { do: 'call'; inDoubt: boolean }
  /**
   * `requestChanged`: the stage asked for something else when the outcome was recorded. `isOfFormer`: a former
   * owner recorded it.
   */
  | { do: 'answer'; outcome: CallOutcome; requestChanged: boolean; isOfFormer: boolean }
  /** Another owner is making the call, for that long at least; ask again. */
  | { do: 'wait'; forMs: number }
  /** Begun without an outcome, and not safe to repeat. */
  | { do: 'giveUp' }
  /** A later owner of the lane has been here, in this epoch. */
  | { do: 'stop'; epoch: number }

export interface JournalOptions {
  /** 0 if the store is this process's own: a former owner must be dead (the embedded log's file lock). */
  leaseMs: number
  /** Whether the process of this owner is certainly dead: its lease is not waited for. Default: nobody knows. */
  isDead?: (owner: string) => Promise<boolean>
  /** Lifetime of an entry whose commit was never seen. */
  keepMs: number
  /** Lifetime of the mark left after the commit, if a zombie is possible at all; 0: none is left. */
  forgottenMs: number
}

export interface CallJournal {
  /** A running call's lease is renewed this often; 0: there is none. */
  readonly renewalMs: number
  /** Calls that this process has begun and not ended. */
  readonly open: number
  /** Outcomes that the store has not taken yet, though it was asked. */
  readonly behind: number
  /** `key` is the task's; `mayBeLost`: whether the store may have lost the entry of a former owner. */
  begin(
    id: string,
    owner: string,
    epoch: number,
    call: Call,
    key?: string,
    mayBeLost?: (() => Promise<boolean>) | null,
  ): Promise<Beginning>
  /** The recorded outcome, and the epoch of the owner that recorded it; null if there is none. */
  recorded(id: string): Promise<{ outcome: CallOutcome; epoch: number } | null>
  /** Whether a call of this key, kind and target was begun under this id, or has ended. */
  wasBegun(id: string, key: string, call: Pick<Call, 'kind' | 'target'>): Promise<boolean>
  /** Prolongs the lease of a running call. False: the entry belongs to somebody else now. */
  renew(id: string, epoch: number): Promise<boolean>
  /**
   * Records the outcome. False: a later owner took the call over, and its outcome counts. `settle` writes
   * what depends on the outcome: after it, and not without it; `settleIf` with it, where the stores can.
   * Rejects if either failed; both may then be retried.
   */
  finish(id: string, epoch: number, outcome: CallOutcome, options?: Settling): Promise<boolean>
  /** The call was not made, and its next owner makes it: as if never begun. */
  release(id: string, epoch: number): Promise<void>
  /** The process has finished with a call that it began, however it ended. */
  end(id: string, epoch: number): void
  /**
   * The commit that used these outcomes is durable: nobody will ask again. Their entries go soon, with others of
   * the time; those that a process leaves when it dies go at the end of their lifetime.
   */
  forget(ids: readonly string[], epoch: number): void
  /** Lets go at once of what is to be forgotten. */
  close(): Promise<void>
}

export function openJournal(store: KeyValue, clock: Clock, options: JournalOptions): CallJournal {
  return new Journal(store, clock, options)
}

/** How long to wait before asking again for a call that is under way in this process. */
const OWN_CALL_MS = 200
/** How long entries that nobody needs may stay, so that many go in one write. */
const FORGET_MS = 500
/** Most of them. */
const MAX_FORGOTTEN = 1_000

class Journal implements CallJournal {
  readonly renewalMs: number
  readonly #store: KeyValue
  readonly #clock: Clock
  readonly #options: JournalOptions
  readonly #isAlone: boolean
  /** Lifetime of an entry that is begun. */
  readonly #lifetime: number | Lifetime
  /**
   * The entries that this process has begun, for the next compare-and-set. By id and epoch: a process that loses
   * a lane and gets it back may be making the call of both openings.
   */
  readonly #begun = new Map<string, Map<number, Own>>()
  readonly #behind = new Set<string>()
  /** Epochs of the entries to forget, by id. */
  #useless = new Map<string, number>()
  #cancelForgetting: (() => void) | null = null

  constructor(store: KeyValue, clock: Clock, options: JournalOptions) {
    const { leaseMs, keepMs } = options
    this.renewalMs = leaseMs / 3
    this.#store = store
    this.#clock = clock
    this.#options = options
    this.#isAlone = leaseMs === 0
    this.#lifetime = leaseMs === 0 ? keepMs : { ttlMs: keepMs, leaseMs }
  }

  get behind(): number {
    return this.#behind.size
  }

  get open(): number {
    let open = 0
    for (const { size } of this.#begun.values()) open += size
    return open
  }

  async begin(
    ...[id, owner, epoch, call, key = '', mayBeLost]: Parameters<CallJournal['begin']>
  ): Promise<Beginning> {
    const { kind, target, request, timeoutMs, idempotent } = call
    const hash = requestHash(request)
    const of = requestHash([key, kind, target])
    let expected: string | null = null
    let isLost = mayBeLost ? await mayBeLost() : false
    let inDoubt = isLost
    for (;;) {
      const askedMs = this.#clock.now()
      const leaseUntilMs = askedMs + timeoutMs + this.#options.leaseMs
      const entry: Begun = { state: 'begun', epoch, owner, leaseUntilMs, leased: true, hash, of, inDoubt }
      const text = JSON.stringify(entry)
      if (this.#isAlone && this.#begun.has(id)) return { do: 'wait', forMs: OWN_CALL_MS }
      const result = await this.#store.compareAndSet(entryKey(id), expected, text, this.#lifetime)
      if (result.swapped) {
        if (isLost && !idempotent) return { do: 'giveUp' }
        expected = text
        if (!this.#isFresh(askedMs)) continue
        this.#note(id, epoch, { text, hash, of })
        return { do: 'call', inDoubt }
      }
      expected = result.current
      if (result.current === null) continue
      const found = entryIn(result.current)
      const isOurs = isBegunBy(found, owner, epoch) && !this.#begun.get(id)?.has(epoch)
      const leasedMs = leaseLeft(found, result.leaseLeftMs ?? 0, askedMs)
      const leaseLeftMs = leasedMs > 0 && (await this.#isOfDead(found)) ? 0 : leasedMs
      const beginning = isOurs ? null : judge(found, { epoch, hash, of, idempotent, leaseLeftMs })
      if (beginning) return beginning
      if (!isOurs) isLost = false
      inDoubt = isOurs ? found.inDoubt : found.state !== 'released'
    }
  }

  async #isOfDead(entry: Entry): Promise<boolean> {
    return entry.state === 'begun' && ((await this.#options.isDead?.(entry.owner)) ?? false)
  }

  #note(id: string, epoch: number, own: Own): void {
    const begun = this.#begun.get(id) ?? new Map<number, Own>()
    this.#begun.set(id, begun.set(epoch, own))
  }

  /** False: the store was slow, or this process was stopped, for longer than a renewal may take. */
  #isFresh(askedMs: number): boolean {
    return this.#isAlone || this.#clock.now() - askedMs < this.renewalMs
  }

  async recorded(id: string): Promise<{ outcome: CallOutcome; epoch: number } | null> {
    const current = await this.#store.get(entryKey(id))
    const entry = current === null ? null : entryIn(current)
    return entry?.state === 'done' ? { outcome: entry.outcome, epoch: entry.epoch } : null
  }

  async wasBegun(id: string, key: string, { kind, target }: Pick<Call, 'kind' | 'target'>): Promise<boolean> {
    const current = await this.#store.get(entryKey(id))
    const entry = current === null ? null : entryIn(current)
    if (entry?.state !== 'begun' && entry?.state !== 'done') return false
    return entry.of === undefined || entry.of === requestHash([key, kind, target])
  }

  async renew(id: string, epoch: number): Promise<boolean> {
    const text = this.#begun.get(id)?.get(epoch)?.text
    return text !== undefined && (await this.#overwrite(id, text, text, this.#lifetime))
  }

  async finish(...[id, epoch, outcome, settling = {}]: Parameters<CallJournal['finish']>): Promise<boolean> {
    try {
      const isRecorded = await this.#recordAndSettle(id, epoch, outcome, settling)
      this.#behind.delete(`${epoch}/${id}`)
      return isRecorded
    } catch (error) {
      this.#behind.add(`${epoch}/${id}`)
      throw error
    }
  }

  async #recordAndSettle(
    id: string,
    epoch: number,
    outcome: CallOutcome,
    { settle, settleIf }: Settling,
  ): Promise<boolean> {
    if (!settle) return this.#record(id, epoch, outcome)
    if (!this.#isAlone) {
      let settling: Promise<boolean> | null = null
      const ours = { key: entryKey(id), begins: headOf(epoch) }
      const isRecorded = await this.#record(id, epoch, outcome, () => {
        settling = settleIf?.(ours) ?? null
        settling?.catch(() => {})
      })
      if (isRecorded && (await settling) !== true) await settle()
      return isRecorded
    }
    // Nobody else can have taken the call over.
    if (!this.#begun.get(id)?.has(epoch)) return false
    const [isRecorded] = await Promise.all([this.#record(id, epoch, outcome), settle()])
    return isRecorded
  }

  #record(id: string, epoch: number, outcome: CallOutcome, sent?: () => void): Promise<boolean> {
    const own = this.#begun.get(id)?.get(epoch)
    if (own === undefined) return Promise.resolve(false)
    const { text, hash, of } = own
    const next = JSON.stringify({ state: 'done', epoch, hash, of, outcome } satisfies Done)
    return this.#overwrite(id, text, next, this.#options.keepMs, sent)
  }

  /**
   * Writes over a beginning of ours, over the same write whose answer was lost, or when the store has lost
   * either. False: somebody else has been here.
   */
  async #overwrite(
    ...[id, ours, next, lifetime, sent]: [string, string, string, number | Lifetime, (() => void)?]
  ): Promise<boolean> {
    for (let expected: string | null = ours; ;) {
      const result = await this.#store.compareAndSet(entryKey(id), expected, next, lifetime, sent)
      if (result.swapped) return true
      if (result.current !== null && result.current !== ours && result.current !== next) return false
      expected = result.current
    }
  }

  async release(id: string, epoch: number): Promise<void> {
    const text = this.#begun.get(id)?.get(epoch)?.text
    if (text === undefined) return
    const next = JSON.stringify({ state: 'released', epoch } satisfies Released)
    // By the time that this reaches the store somebody else may have begun the call.
    await this.#store.compareAndSet(entryKey(id), text, next, this.#options.keepMs)
  }

  end(id: string, epoch: number): void {
    this.#behind.delete(`${epoch}/${id}`)
    const begun = this.#begun.get(id)
    begun?.delete(epoch)
    if (begun?.size === 0) this.#begun.delete(id)
  }

  forget(ids: readonly string[], epoch: number): void {
    for (const id of ids) this.#useless.set(id, epoch)
    const forget = (): void => void this.close().catch(() => {})
    if (this.#useless.size >= MAX_FORGOTTEN) return forget()
    this.#cancelForgetting ??= this.#clock.schedule(FORGET_MS, forget)
  }

  async close(): Promise<void> {
    this.#cancelForgetting?.()
    this.#cancelForgetting = null
    const useless = this.#useless
    if (useless.size === 0) return
    this.#useless = new Map()
    const { forgottenMs } = this.#options
    if (forgottenMs === 0) return this.#store.delete([...useless.keys()].map(entryKey))
    const mark = (epoch: number) => JSON.stringify({ state: 'forgotten', epoch } satisfies Forgotten)
    const marks = Array.from(useless, ([id, epoch]) =>
      this.#store.set(entryKey(id), mark(epoch), forgottenMs),
    )
    await Promise.all(marks)
  }
}

/** What an outcome begins with that was recorded in this epoch: by this owner, as each opening of a lane has its own. */
const headOf = (epoch: number): string => `{"state":"done","epoch":${epoch},`

const STATES: ReadonlySet<unknown> = new Set(['begun', 'done', 'forgotten', 'released'])

function entryIn(text: string): Entry {
  const entry = rowObject(Buffer.from(text))
  return STATES.has(entry?.['state']) ? (entry as unknown as Entry) : { state: 'unreadable', epoch: -1 }
}

interface Asked {
  epoch: number
  hash: string
  of: string
  idempotent: boolean
  leaseLeftMs: number
}

/** Null: take the entry over. */
function judge(entry: Entry, { epoch, hash, of, idempotent, leaseLeftMs }: Asked): Beginning | null {
  const isOfAnother = 'of' in entry && entry.of !== of
  if (entry.epoch > epoch && !isOfAnother) return { do: 'stop', epoch: entry.epoch }
  if (entry.state === 'released') return null
  if (entry.state === 'done' && !isOfAnother)
    return {
      do: 'answer',
      outcome: entry.outcome,
      requestChanged: entry.hash !== hash,
      isOfFormer: entry.epoch !== epoch,
    }
  if (entry.state === 'begun' && leaseLeftMs > 0) return { do: 'wait', forMs: leaseLeftMs }
  return idempotent ? null : { do: 'giveUp' }
}

function leaseLeft(entry: Entry, ofStoreMs: number, nowMs: number): number {
  if (entry.state !== 'begun') return 0
  return entry.leased ? ofStoreMs : entry.leaseUntilMs - nowMs
}

function isBegunBy(entry: Entry, owner: string, epoch: number): entry is Begun {
  return entry.state === 'begun' && entry.owner === owner && entry.epoch === epoch
}

function entryKey(id: string): string {
  return `journal:${id}`
}
