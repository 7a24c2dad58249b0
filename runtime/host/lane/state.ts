// The state of one lane in memory: rows and timers of every live key.
//
// 1. Rows are applied here when a handling ends and written by the lane's next commit; a lane whose commit
//    fails is dropped with its memory, so the two never diverge.
// 2. Keys are encoded ones (runtime/keys.ts). A part sees the rows of its root besides its own; clearing a
//    root clears its parts, clearing a part leaves the rows of its root: `view` after `cleared` is
//    `inherited`.
// 3. A row carries the version of the stage that wrote it. A newer one than ours means that a newer process
//    has owned the lane: NewerState, and the lane is released.
// 4. A row whose payload the blob store has lost is a MissingRow: its key fails when it is read, and no other
//    key does.
// 5. Rows of the lane itself are stored under a key that no record can have: encoded keys hold no zero
//    character.
// 6. Cold rows (stage.ts, `isCold`) are in a view as properties that it inherits from one object for each key, which changes
//    with the state: no view copies them.
import type { StateRow } from '../../log/port.ts'
import { rowObject } from '../../log/row-object.ts'
import type { LaneIndex, Stage } from '../../stage.ts'
import type { BlobStore } from '../../store/port.ts'
import { isWithin, rootOf } from '../../keys.ts'
import { MissingRow } from '../../errors/missing-row.ts'
import { Turns } from '../../turns.ts'
import { RowSizes } from './row-sizes.ts'

export interface TimerRow {
  dueMs: number
  /** Event that set it: its id makes the timer event's. */
  causeId: string
  traceparent: string | null
}

export interface RowChange {
  readonly key: string
  readonly name: string
  /** Null deletes. */
  readonly value: unknown
}

const SEPARATOR = '\u0000'
const TIMER = '$timer:'
const LANE = `${SEPARATOR}lane`
const LANE_PREFIX = LANE + SEPARATOR
/** Rows of the host itself, which no stage sees. */
export const HOST_PREFIX = `${SEPARATOR}host${SEPARATOR}`
const noIndex: LaneIndex = { write: () => {} }
const noneIsCold = (): boolean => false
const plain: object = Object.prototype
/** Shown of the key that a message names. */
const KEY_CHARS = 200
/** In place of a row that no release has written. */
const UNREADABLE = Symbol('unreadable')

/** What the state needs of its stage. */
type Kinds = Pick<Stage, 'laneIndex' | 'isCold'>

type WithMissing = (rows: Record<string, unknown>, name: string, missing: MissingRow) => void

const isTimer = (value: unknown): boolean => Number.isFinite((value as TimerRow | null)?.dueMs)

export class NewerState extends Error {
  override readonly name = 'NewerState'

  /** `key`: of the row, as the log has it. */
  constructor(key: string, version: number, own: number) {
    const row = JSON.stringify(key.slice(0, KEY_CHARS))
    super(`a row of version ${version} was found, ${row}; this process writes ${own}`)
  }
}

export class LaneState {
  readonly #keys = new Map<string, Map<string, unknown>>()
  /** The cold rows of a key, by name and as views inherit them. */
  readonly #cold = new Map<string, { readonly rows: Map<string, unknown>; readonly seen: object }>()
  readonly #families = new Map<string, Set<string>>()
  /** Keys with rows of a former opening of the lane, whose history does not say so yet. */
  readonly #restored = new Set<string>()
  readonly #version: number
  readonly #laneIndex: LaneIndex
  readonly #isCold: (name: string) => boolean
  #restoredMissing = false
  /** Hashes of the rows that are in the blob store, by the rows' keys on the log. */
  readonly #stored = new Map<string, string>()
  readonly #sizes = new RowSizes()

  constructor(version: number, { laneIndex, isCold = noneIsCold }: Kinds = {}) {
    this.#version = version
    this.#laneIndex = laneIndex?.() ?? noIndex
    this.#isCold = isCold
  }

  /** The rows of the lane, as its stage sees them. */
  get lane(): LaneIndex {
    return this.#laneIndex
  }

  /** Applies rows of the lane in memory. */
  writeLane(rows: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(rows)) this.#laneIndex.write(name, value ?? null)
  }

  get size(): number {
    return this.#keys.size
  }

  /** Payloads in the blob store that rows name. */
  get storedHashes(): string[] {
    return [...new Set(this.#stored.values())]
  }

  /** Bytes of the large rows that a view of the key has, as they were last encoded. */
  bytesOf(key: string): number {
    return this.#sizes.of(key)
  }

  /**
   * Rows of a key as the stage sees them: timers left out, a part's own rows over those of its root. A fresh
   * object. Reading a missing row of it throws PAYLOAD_MISSING.
   */
  view(key: string): Record<string, unknown> {
    return this.#viewOf(key, (rows, name, missing) => missing.standIn(rows, name))
  }

  /** The same without the rows that are missing, and with nothing inherited. */
  present(key: string): Record<string, unknown> {
    const rows = Object.fromEntries(
      [...(this.#cold.get(key)?.rows ?? [])].filter(([, value]) => !(value instanceof MissingRow)),
    )
    return Object.assign(rows, { ...this.#viewOf(key, () => {}) })
  }

  /** The part of the view that is not the key's own: the rows of a part's root. A fresh object. */
  inherited(key: string): Record<string, unknown> {
    const rows: Record<string, unknown> = {}
    const root = rootOf(key)
    if (root !== key) this.#copyRows(root, rows, (into, name, missing) => missing.standIn(into, name))
    return rows
  }

  #viewOf(key: string, missing: WithMissing): Record<string, unknown> {
    const cold = this.#cold.get(key)?.seen
    const rows = (cold ? Object.create(cold) : {}) as Record<string, unknown>
    const root = rootOf(key)
    if (root !== key) this.#copyRows(root, rows, missing)
    this.#copyRows(key, rows, missing)
    return rows
  }

  #copyRows(key: string, into: Record<string, unknown>, missing: WithMissing): void {
    const rows = this.#keys.get(key)
    if (rows === undefined) return
    for (const [name, value] of rows) {
      if (name.startsWith(TIMER)) continue
      if (this.#restoredMissing) delete into[name]
      if (value instanceof MissingRow) missing(into, name, value)
      else into[name] = value
    }
  }

  /** True once for each key that had rows when the lane opened. */
  takeRestored(key: string): boolean {
    return this.#restored.delete(key)
  }

  timer(key: string, name: string): TimerRow | undefined {
    return this.#keys.get(key)?.get(TIMER + name) as TimerRow | undefined
  }

  *timers(): Iterable<{ key: string; name: string; timer: TimerRow }> {
    for (const [key, rows] of this.#keys)
      for (const [name, value] of rows)
        if (name.startsWith(TIMER)) yield { key, name: name.slice(TIMER.length), timer: value as TimerRow }
  }

  /** Every row and timer. */
  *rows(): Iterable<RowChange> {
    for (const [key, rows] of this.#keys) for (const [name, value] of rows) yield { key, name, value }
    for (const [key, { rows }] of this.#cold) for (const [name, value] of rows) yield { key, name, value }
  }

  /** Deletions that clear this key: of its rows and timers, and those of its parts. */
  cleared(key: string): RowChange[] {
    const changes: RowChange[] = []
    for (const member of this.#families.get(rootOf(key)) ?? []) {
      if (!isWithin(member, key)) continue
      for (const rows of [this.#keys.get(member), this.#cold.get(member)?.rows])
        for (const name of rows?.keys() ?? []) changes.push({ key: member, name, value: null })
    }
    return changes
  }

  /** The parts of this root that have rows. */
  *parts(root: string): Iterable<string> {
    for (const member of this.#families.get(root) ?? []) if (member !== root) yield member
  }

  timerChange(key: string, name: string, timer: TimerRow | null): RowChange {
    return { key, name: TIMER + name, value: timer }
  }

  /** Applies the changes in memory. Deleting an absent row does nothing. */
  apply(changes: readonly RowChange[]): void {
    for (const { key, name, value } of changes) {
      if (value === null) this.#remove(key, name)
      else this.#put(key, name, value)
    }
  }

  #put(key: string, name: string, value: unknown): void {
    let rows = this.#keys.get(key)
    if (!rows) {
      this.#keys.set(key, (rows = new Map()))
      const family = this.#families.get(rootOf(key))
      if (family) family.add(key)
      else this.#families.set(rootOf(key), new Set([key]))
    }
    if (this.#isCold(name)) this.#putCold(key, name, value)
    else rows.set(name, value)
  }

  #putCold(key: string, name: string, value: unknown): void {
    let cold = this.#cold.get(key)
    if (!cold) this.#cold.set(key, (cold = { rows: new Map(), seen: Object.create(plain) as object }))
    cold.rows.set(name, value)
    const seen = cold.seen as Record<string, unknown>
    delete seen[name]
    if (value instanceof MissingRow) value.standIn(seen, name)
    else seen[name] = value
  }

  #remove(key: string, name: string): void {
    const [rows, cold] = [this.#keys.get(key), this.#cold.get(key)]
    if (cold?.rows.delete(name)) Reflect.deleteProperty(cold.seen, name)
    if (cold?.rows.size === 0) this.#cold.delete(key)
    if (rows?.delete(name) !== true && cold === undefined) return
    if (rows === undefined || rows.size > 0 || this.#cold.has(key)) return
    this.#keys.delete(key)
    this.#restored.delete(key)
    const family = this.#families.get(rootOf(key))
    family?.delete(key)
    if (family?.size === 0) this.#families.delete(rootOf(key))
  }

  /** The rows as the log keeps them; a row past the limit goes to the blob store first. */
  encode(
    changes: readonly RowChange[],
    blobs: BlobStore,
    limitBytes: number,
    ofLane: Readonly<Record<string, unknown>> | null = null,
  ): StateRow[] | Promise<StateRow[]> {
    const rows: StateRow[] = []
    const large: Promise<void>[] = []
    const begin = `{"v":${this.#version},"d":`
    /** Returns the size of the row. */
    const add = (rowKey: string, value: unknown): number => {
      if (this.#stored.size > 0) this.#stored.delete(rowKey)
      if (value === null) {
        rows.push({ key: rowKey, value: null })
        return 0
      }
      const bytes = Buffer.from(`${begin}${JSON.stringify(value) ?? null}}`)
      const index = rows.push({ key: rowKey, value: bytes }) - 1
      if (bytes.length <= limitBytes) return bytes.length
      const store = async () => {
        const blob = await blobs.put(bytes)
        this.#stored.set(rowKey, blob)
        rows[index] = { key: rowKey, value: Buffer.from(JSON.stringify({ v: this.#version, blob })) }
      }
      large.push(store())
      return bytes.length
    }
    for (const { key, name, value } of changes) this.#sizes.set(key, name, add(key + SEPARATOR + name, value))
    for (const name in ofLane) add(LANE_PREFIX + name, ofLane[name] ?? null)
    return large.length === 0 ? rows : Promise.all(large).then(() => rows)
  }

  /**
   * Restores the rows of a lane, yielding to other work meanwhile. Returns those that are the host's own, and the keys of
   * those that can't be read, which count as absent.
   */
  async restore(
    rows: Iterable<StateRow>,
    blobs: BlobStore,
  ): Promise<{ ofHost: StateRow[]; unreadable: string[] }> {
    const ofHost: StateRow[] = []
    const unreadable: string[] = []
    const turns = new Turns()
    for (const row of rows) {
      const others = turns.next()
      if (others) await others
      if (row.key.startsWith(HOST_PREFIX)) {
        ofHost.push(row)
        continue
      }
      const isLane = row.key.startsWith(LANE_PREFIX)
      const split = row.key.indexOf(SEPARATOR, isLane ? LANE.length : 0)
      if (row.value === null) continue
      const decoded = split < 0 ? UNREADABLE : this.#decode(row.key, row.value, blobs)
      const value = decoded instanceof Promise ? await decoded : decoded
      const name = row.key.slice(split + 1)
      if (value === UNREADABLE || (name.startsWith(TIMER) && !isTimer(value))) unreadable.push(row.key)
      else if (isLane) this.#laneIndex.write(name, value)
      else this.#restore(row.key.slice(0, split), name, value)
      if (!isLane && !this.#stored.has(row.key))
        this.#sizes.set(row.key.slice(0, split), name, row.value.length)
    }
    return { ofHost, unreadable }
  }

  #restore(key: string, name: string, value: unknown): void {
    this.#put(key, name, value)
    if (!name.startsWith(TIMER)) this.#restored.add(key)
  }

  /** A promise only for a row in the blob store. */
  #decode(key: string, bytes: Uint8Array, blobs: BlobStore): unknown {
    const { v, d = UNREADABLE, blob } = rowObject(bytes) ?? {}
    if (typeof v !== 'number') return UNREADABLE
    if (v > this.#version) throw new NewerState(key, v, this.#version)
    return typeof blob === 'string' ? this.#fetch(key, blob, blobs) : d
  }

  async #fetch(key: string, hash: string, blobs: BlobStore): Promise<unknown> {
    const whole = await blobs.get(hash)
    this.#stored.set(key, hash)
    const split = key.indexOf(SEPARATOR)
    this.#sizes.set(key.slice(0, split), key.slice(split + 1), whole?.length ?? 0)
    if (whole) return this.#decode(key, whole, blobs)
    this.#restoredMissing = true
    return new MissingRow(hash)
  }
}
