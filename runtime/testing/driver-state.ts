// Rows and timers of every key of a driven stage, kept as the host keeps them.
import assert from 'node:assert/strict'
import { isWithin, rootOf } from '../keys.ts'
import type { Call, Decision, LaneIndex, Stage, StageEvent } from '../stage.ts'

/** A handling whose call has not been answered. */
export interface Held {
  event: StageEvent
  call: Call
  startedMs: number
  /** The result of `decide`, to be joined with that of `conclude`. */
  decision: Decision
}

export interface KeyState {
  rows: Readonly<Record<string, unknown>>
  timers: Map<string, number>
  waiting: StageEvent[]
  held: Held | null
}

export function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.values(value).forEach(freeze)
    if (!ArrayBuffer.isView(value)) Object.freeze(value)
  }
  return value
}

/** A JSON copy, as a state row is after a restart. */
function copyRow(name: string, row: unknown): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(row))
  assert.deepEqual(copy, row, `row ${name} is not JSON: it would read differently after a restart`)
  return freeze(copy)
}

/** Rows as a Decision leaves them; `inherited`: those that clearing the key leaves. */
export function applyRows(
  rows: Readonly<Record<string, unknown>>,
  decision: Decision,
  inherited: KeyState['rows'] = {},
): KeyState['rows'] {
  const next = decision.clear ? { ...inherited } : { ...rows }
  for (const [name, row] of Object.entries(decision.rows ?? {})) {
    if (row === null) delete next[name]
    else next[name] = copyRow(name, row)
  }
  return freeze(next)
}

/** Joins the results of `decide` and `conclude` into one commit. */
export function join(first: Decision, second: Decision): Decision {
  const emit = [...(first.emit ?? []), ...(second.emit ?? [])]
  if (second.clear) return { ...second, emit }
  const rows = { ...first.rows, ...second.rows }
  const lane = second.lane ? { lane: second.lane } : {}
  const woken = second.wakeParts ?? first.wakeParts
  const wakeParts = woken === undefined ? {} : { wakeParts: woken }
  const timers = { ...first.timers, ...second.timers }
  return { clear: first.clear ?? false, emit, rows, timers, ...wakeParts, ...lane }
}

export class DriverState {
  readonly #keys = new Map<string, KeyState>()
  readonly #laneRows = new Map<string, unknown>()
  #lane: LaneIndex

  constructor(laneIndex: Stage['laneIndex']) {
    this.#lane = laneIndex?.() ?? { write: () => assert.fail('the stage has no laneIndex') }
  }

  get lane(): LaneIndex {
    return this.#lane
  }

  laneRows(): Record<string, unknown> {
    return Object.fromEntries(this.#laneRows)
  }

  /** In an order of its own, like a restored lane. */
  reopen(laneIndex: Stage['laneIndex']): void {
    this.#lane = laneIndex?.() ?? this.#lane
    if (laneIndex) for (const [name, row] of [...this.#laneRows].reverse()) this.#lane.write(name, row)
  }

  of(key: string): KeyState {
    const known = this.#keys.get(key)
    if (known) return known
    const fresh: KeyState = { rows: {}, timers: new Map(), waiting: [], held: null }
    this.#keys.set(key, fresh)
    return fresh
  }

  peek(key: string): KeyState | undefined {
    return this.#keys.get(key)
  }

  entries(): [string, KeyState][] {
    return [...this.#keys]
  }

  /** Rows that a handling of this key sees: a part `task/call` also sees the rows of `task`; its own win. */
  view(key: string): KeyState['rows'] {
    return freeze({ ...this.inherited(key), ...this.of(key).rows })
  }

  /** The part of the view that is not the key's own. */
  inherited(key: string): KeyState['rows'] {
    const root = rootOf(key)
    return root === key ? {} : { ...this.peek(root)?.rows }
  }

  /** Applies a Decision in the host's order: clear, rows, timers. `atMs`: of its event. */
  commit(key: string, decision: Decision, atMs: number): void {
    if (decision.clear) this.#clear(key)
    const state = this.of(key)
    state.rows = applyRows(state.rows, decision)
    for (const [name, dueMs] of Object.entries(decision.timers ?? {})) {
      if (dueMs === null) state.timers.delete(name)
      else state.timers.set(name, dueMs)
    }
    if (decision.wakeParts !== undefined && !decision.clear) this.#wakeParts(key, decision.wakeParts, atMs)
    for (const [name, row] of Object.entries(decision.lane ?? {})) this.#writeLane(name, row ?? null)
  }

  #wakeParts(root: string, name: string, atMs: number): void {
    for (const [key, { rows, timers }] of this.#keys)
      if (key !== root && isWithin(key, root) && Object.keys(rows).length + timers.size > 0)
        timers.set(name, atMs)
  }

  #writeLane(name: string, row: unknown): void {
    const kept = row === null ? null : copyRow(name, row)
    if (kept === null) this.#laneRows.delete(name)
    else this.#laneRows.set(name, kept)
    this.#lane.write(name, kept)
  }

  #clear(key: string): void {
    for (const [other, state] of this.#keys) {
      if (!isWithin(other, key)) continue
      state.rows = {}
      state.timers.clear()
    }
  }
}
