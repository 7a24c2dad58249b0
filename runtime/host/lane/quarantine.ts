// A lane's part in finding the event that kills its process (suspects.ts says when one is found).
//
// 1. A lane says in its first commit that it is open, and in the last commit of a drain that it is not. Only
//    a lane whose former owner did not say so, or that has suspects still, pays for anything here.
// 2. After an unclean end, the first events that were on the log by then are suspects, and so are timers that
//    were due: at least all that the former owner can have been running. Each is written down before it is
//    started; the commit of its effect deletes the row.
// 3. One that died in a trial is held back before its next (suspects.ts), while everything else goes on.
// 4. Rows are stored under a key that no stage has, and carry no version: every release skips them.
// 5. Suspects are also the events whose calls the former owner may have begun: if the key-value store has lost its journal
//    since, their calls are in doubt.
import type { LogTopic, OpenLane, StateRow } from '../../log/port.ts'
import { rowObject } from '../../log/row-object.ts'
import type { GroupCommit } from './group-commit.ts'
import { persistently, type Handling } from './handling.ts'
import type { HostParts } from '../context.ts'
import { hasMoved, noteMove } from './moves.ts'
import { HOST_PREFIX } from './state.ts'
import {
  FORGOTTEN_MS,
  ageSuspect,
  startSuspect,
  firstSuspicion,
  holdMs,
  isAtBeginning,
  isGuilty,
  reopen,
  type LaneLife,
  type Reopened,
  type Suspect,
} from './suspects.ts'
import type { TrialGate } from './trial-gate.ts'

const LIFE = `${HOST_PREFIX}life`
const SUSPECT = `${HOST_PREFIX}suspect:`
/** Suspects after an unclean end: more than a lane runs at once (context.ts), so later ones are innocent. */
const MAX_SUSPECTS = 1_000

/** A suspect that was taken. */
interface Charge {
  suspect: Suspect
  /** Ends its trial; null before and after. */
  end: (() => void) | null
}

/** Findings of an opening, written down before the lane starts. */
export interface Opening extends Reopened {
  /** End offsets of the topics after an unclean end; null after a clean one. */
  readonly ends: ReadonlyMap<LogTopic, number> | null
  readonly openedMs: number
  /** Epoch of the former owner. */
  readonly formerEpoch: number
  /** Name of the store that it used; undefined: not known. */
  readonly formerStore: string | undefined
}

/** Reads the rows, counts a death where there was one, and commits that the lane is open. */
export async function openQuarantine(
  parts: HostParts,
  open: OpenLane,
  ofHost: readonly StateRow[],
  survived: ReadonlySet<number>,
): Promise<Opening> {
  const { life: former, suspects: known } = readRows(ofHost)
  const openedMs = parts.clock.now()
  const isMove =
    former !== null && (survived.has(former.epoch) || (await isKnownToHaveMoved(parts, open.lane, former)))
  const reopened = reopen(former, known, { epoch: open.epoch, ms: openedMs, hasMoved: isMove })
  const store = (await parts.storeIdentity?.recent().catch(() => undefined)) ?? former?.store
  const life = store === undefined ? reopened.life : { ...reopened.life, store }
  const rows = [rowOf(LIFE, life), ...reopened.forgotten.map((id) => rowOf(SUSPECT + id, null))]
  for (const [id, suspect] of reopened.suspects) rows.push(rowOf(SUSPECT + id, suspect))
  const ends = reopened.unclean ? await endsOf(parts, open.lane) : null
  await open.commit({ records: [], rows, positions: [] })
  const [formerEpoch, formerStore] = [former?.epoch ?? 0, former?.store]
  return { ...reopened, life, ends, openedMs, formerEpoch, formerStore }
}

async function endsOf({ log, stage }: HostParts, lane: number): Promise<Map<LogTopic, number>> {
  const topics = stage.consumes.map(({ topic }) => topic)
  const ranges = await log.ranges(topics, { partitions: [lane] })
  return new Map(ranges.map(({ topic, next }) => [topic, next]))
}

function readRows(rows: readonly StateRow[]): { life: LaneLife | null; suspects: Map<string, Suspect> } {
  let life: LaneLife | null = null
  const suspects = new Map<string, Suspect>()
  for (const { key, value } of rows) {
    if (value === null) continue
    // Other programs may have written the topic: what is no row of ours says nothing.
    const written = rowObject(value)?.['d'] as Partial<LaneLife & Suspect> | null | undefined
    if (key === LIFE && typeof written?.epoch === 'number') life = written as LaneLife
    else if (key.startsWith(SUSPECT) && Array.isArray(written?.deaths))
      suspects.set(key.slice(SUSPECT.length), written as Suspect)
  }
  return { life, suspects }
}

/** If the store can't say, the end counts as a death; it is asked again before an event is given up. */
async function isKnownToHaveMoved(
  parts: HostParts,
  lane: number,
  { open, epoch }: LaneLife,
): Promise<boolean> {
  if (!open) return false
  return hasMoved(parts, lane, epoch).catch((error: unknown) => {
    parts.instruments.log.debug(
      { err: error },
      'failed to ask whether a lane moved; its end counts as a death',
    )
    return false
  })
}

/** Encoded like every row of a lane; of version 0, so that no release takes it for newer than itself. */
function rowOf(key: string, value: LaneLife | Suspect | null): StateRow {
  return { key, value: value && Buffer.from(JSON.stringify({ v: 0, d: value })) }
}

/** Whether a row of a lane is a suspect's at the beginning of a trial for which it was held back. */
export function beginsHeldTrial({ key, value }: StateRow): boolean {
  if (value === null || !key.startsWith(SUSPECT)) return false
  const { d } = JSON.parse(Buffer.from(value).toString()) as { d: Suspect }
  return isAtBeginning(d) && holdMs(d) > 0
}

export class Quarantine {
  readonly #parts: HostParts
  readonly #opening: Opening
  readonly #lane: number
  readonly #commit: GroupCommit
  readonly #gate: TrialGate
  readonly #lost: AbortSignal
  readonly #closing = new AbortController()
  readonly #charges = new Map<Handling, Charge>()
  #fresh = MAX_SUSPECTS
  readonly #stopNaming: () => void
  #life: LaneLife

  constructor(
    parts: HostParts,
    lane: { index: number; opening: Opening; commit: GroupCommit; gate: TrialGate; lost: AbortSignal },
  ) {
    this.#lane = lane.index
    this.#parts = parts
    this.#opening = lane.opening
    this.#life = lane.opening.life
    this.#commit = lane.commit
    this.#gate = lane.gate
    this.#lost = lane.lost
    if (lane.opening.suspects.size > 0) this.#forgetLater()
    this.#stopNaming = parts.storeIdentity?.onChange((store) => this.#rename(store)) ?? (() => {})
    lane.lost.addEventListener('abort', this.#stopNaming, { once: true })
  }

  /** This process writes what it has begun to the store again: later owners need not doubt it. */
  #rename(store: string): void {
    this.#life = { ...this.#life, store }
    this.#push([rowOf(LIFE, this.#life)])
  }

  /** Whether the former owner may have been at work on this event when it ended. */
  isSuspect(handling: Handling): boolean {
    return this.#charges.has(handling)
  }

  /** Null: nothing that the former owner did is in doubt. */
  mayBeLost(handling: Handling): (() => Promise<boolean>) | null {
    const { formerStore } = this.#opening
    const { storeIdentity } = this.#parts
    if (formerStore === undefined || !storeIdentity || !this.#charges.has(handling)) return null
    return async () => (await storeIdentity.current()) !== formerStore
  }

  /** Some do not come again: a timer that was cancelled, a record past its retention. */
  #forgetLater(): void {
    const cancel = this.#parts.clock.schedule(FORGOTTEN_MS, () => {
      const rows = [...this.#opening.suspects.keys()].map((id) => rowOf(SUSPECT + id, null))
      this.#opening.suspects.clear()
      this.#push(rows)
    })
    this.#lost.addEventListener('abort', cancel, { once: true })
  }

  /** An event was taken: is it a suspect? */
  took(handling: Handling): void {
    const { suspects, ends } = this.#opening
    if (suspects.size === 0 && ends === null) return
    const { id } = handling.event
    const known = suspects.get(id)
    suspects.delete(id)
    const suspect =
      known ??
      (this.#mayHaveBeenAtWork(handling) ? firstSuspicion(this.#opening.formerEpoch, this.#now()) : null)
    if (suspect) this.#charges.set(handling, { suspect, end: null })
  }

  #mayHaveBeenAtWork({ record, event }: Handling): boolean {
    const { ends, openedMs } = this.#opening
    if (ends === null || this.#fresh === 0) return false
    const isOld = record ? record.offset < (ends.get(record.topic) ?? 0) : event.atMs <= openedMs
    if (isOld) this.#fresh--
    return isOld
  }

  /**
   * Before it is started; null: at once. `enter` is called when it may be, but for what else is tried: null, or a promise
   * that resolves when the process has room for it. Resolves with how often it died when it is to be given up, else with
   * 0; with null when this opening of the lane ends before its turn.
   */
  admit(handling: Handling, enter: () => Promise<void> | null): Promise<number | null> | null {
    const charge = this.#charges.get(handling)
    if (charge) return this.#try(handling, charge, enter)
    const room = enter()
    const passed = room ? room.then(() => this.#gate.pass()) : this.#gate.pass()
    return passed?.then(() => 0) ?? null
  }

  async #try(handling: Handling, charge: Charge, enter: () => Promise<void> | null): Promise<number | null> {
    if (isGuilty(charge.suspect)) charge.suspect = await this.#withoutMoves(charge.suspect)
    if (this.#lost.aborted) return null
    if (isGuilty(charge.suspect)) return charge.suspect.deaths.length
    const ms = holdMs(charge.suspect)
    if (ms > 0) await this.#hold(handling, ms)
    await enter()
    if (this.#lost.aborted || this.#closing.signal.aborted) return null
    const trial = await this.#gate.enter(charge.suspect)
    charge.end = () => this.#gate.leave()
    const now = { ms: this.#now(), isAlone: trial.isAlone }
    charge.suspect = startSuspect(charge.suspect, this.#age(), now)
    await this.#write(handling, charge.suspect)
    if (this.#lost.aborted || trial.limitMs === 0) this.#endTrial(charge)
    else this.#watch(handling, charge, trial.limitMs)
    return this.#lost.aborted ? null : 0
  }

  #age(): { epoch: number; livedMs: number } {
    return { epoch: this.#life.epoch, livedMs: this.#now() - this.#opening.openedMs }
  }

  /** Resolves when that time has passed, the event is interrupted, or the lane ends. */
  #hold({ interrupted }: Handling, ms: number): Promise<void> {
    const over = AbortSignal.any([this.#closing.signal, this.#lost])
    return new Promise((resolve) => {
      if (interrupted.aborted || over.aborted) return resolve()
      const cancel = this.#parts.clock.schedule(ms, resolve)
      const ended = (): void => {
        cancel()
        resolve()
      }
      interrupted.addEventListener('abort', ended)
      over.addEventListener('abort', ended, { once: true })
    })
  }

  /** Leaves out the ends that were noted as moves, in case an owner noted one late. */
  async #withoutMoves(suspect: Suspect): Promise<Suspect> {
    const moved = await persistently(this.#parts, this.#lost, () =>
      Promise.all(suspect.deaths.map(({ epoch }) => hasMoved(this.#parts, this.#lane, epoch))),
    )
    return { ...suspect, deaths: suspect.deaths.filter((_, i) => moved[i] === false) }
  }

  /** Notes that the lane moves while this process lives on. */
  moved(): void {
    void noteMove(this.#parts, this.#lane, this.#life.epoch)
  }

  /** Notes the ages that the event reaches, until its trial is over. */
  #watch(handling: Handling, charge: Charge, limitMs: number): void {
    const startedMs = this.#now()
    const next = (): void => {
      const atMs = Math.min(charge.suspect.diesBeforeMs ?? limitMs, limitMs)
      const cancel = this.#parts.clock.schedule(startedMs + atMs - this.#now(), reached)
      charge.end = () => {
        cancel()
        this.#gate.leave()
      }
    }
    const reached = (): void => {
      if (!this.#charges.has(handling)) return
      if (charge.suspect.diesBeforeMs === null) return this.#endTrial(charge)
      const isOver = charge.suspect.diesBeforeMs >= limitMs
      charge.suspect = ageSuspect(charge.suspect, limitMs)
      const written = this.#write(handling, charge.suspect)
      // Until the end of its trial is written, a death would be blamed on it.
      if (isOver) void written.then(() => this.#endTrial(charge))
      else next()
    }
    next()
  }

  #write({ event }: Handling, suspect: Suspect | null): Promise<void> {
    return new Promise((written) => {
      if (this.#lost.aborted) return written()
      const done = (): void => {
        this.#lost.removeEventListener('abort', done)
        written()
      }
      this.#lost.addEventListener('abort', done)
      const rows = [rowOf(SUSPECT + event.id, suspect)]
      this.#push(rows, done)
    })
  }

  #endTrial(charge: Charge): void {
    charge.end?.()
    charge.end = null
  }

  /** Its effect is about to be pushed: returns the rows to commit with it. */
  acquitted(handling: Handling): StateRow[] {
    const charge = this.#charges.get(handling)
    if (!charge) return []
    this.#charges.delete(handling)
    void this.#write(handling, null).then(() => this.#endTrial(charge))
    return [rowOf(SUSPECT + handling.event.id, null)]
  }

  /** It no longer runs, with or without an effect. */
  left(handling: Handling): void {
    const charge = this.#charges.get(handling)
    if (!charge) return
    this.#charges.delete(handling)
    this.#endTrial(charge)
  }

  /** It will not be started: a timer that was cancelled. */
  dismiss(handling: Handling): void {
    this.#push(this.acquitted(handling))
  }

  /** Releases events that wait for their trials: the next owner will hold them back. */
  releaseHeld(): void {
    this.#closing.abort()
  }

  /** Says that the lane closes cleanly; nothing may be pushed after it. */
  close(): void {
    this.#stopNaming()
    this.#push([rowOf(LIFE, { ...this.#life, open: false })])
  }

  #push(rows: StateRow[], committed: () => void = () => {}): void {
    if (rows.length === 0) return
    this.#commit.push({ records: [], rows, input: null, cause: 'quarantine', withinMs: 0, committed })
  }

  #now(): number {
    return this.#parts.clock.now()
  }
}
