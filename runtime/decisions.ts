// Several decisions as one, and rows with a decision's changes.
import { setOwn } from './json/own-property.ts'
import type { Decision, Rows } from './stage.ts'

/**
 * The decisions one after the other, as if one had been made: events in their order; of rows and timers with one name
 * the last; a decision that clears its key drops rows and timers of those before it; the last
 * call, and the last timer for the parts. It shares rows, events and timers that one decision alone has.
 */
export function merge<R extends Rows>(...decisions: readonly Decision<R>[]): Decision<R> {
  let isCleared = false
  let rows: Decision<R>['rows']
  let timers: Decision<R>['timers']
  const merged: Decision<R> = {}
  for (const decision of decisions) {
    if (decision.clear) {
      isCleared = true
      rows = undefined
      timers = undefined
    }
    if (decision.rows) rows = rows ? { ...rows, ...decision.rows } : decision.rows
    if (decision.timers) timers = timers ? { ...timers, ...decision.timers } : decision.timers
    if (decision.wakeParts !== undefined) merged.wakeParts = decision.wakeParts
    if (decision.lane) merged.lane = merged.lane ? laneOf(merged.lane, decision.lane) : decision.lane
    if (decision.emit) merged.emit = merged.emit ? [...merged.emit, ...decision.emit] : decision.emit
    if (decision.call) merged.call = decision.call
  }
  if (isCleared) merged.clear = true
  if (rows) merged.rows = rows
  if (timers) merged.timers = timers
  return merged
}

/** Without a prototype: the names are of tasks, and V8 would make a hidden class for each. */
function laneOf(...rows: readonly Readonly<Record<string, unknown>>[]): Record<string, unknown> {
  return Object.assign(Object.create(null) as Record<string, unknown>, ...rows)
}

/** A copy of the rows with these changes; null and undefined delete. What is inherited (stage.ts, `isCold`) stays so. */
export function changedRows(
  rows: object,
  changes: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const inherited = Object.getPrototypeOf(rows) as object
  // A spread copies many rows in a little more than half of the time of Object.assign; to set a prototype that few
  // objects have takes six times as long as to be created with it.
  const copy = inherited === Object.prototype ? { ...rows } : Object.assign(Object.create(inherited), rows)
  return changeRows(copy as Record<string, unknown>, changes)
}

/** The rows themselves, with these changes. A row that is missing (errors/missing-row.ts) may be written. */
export function changeRows(
  rows: Record<string, unknown>,
  changes: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  for (const name in changes) {
    const row = changes[name]
    if (row === null || row === undefined) delete rows[name]
    else
      try {
        rows[name] = row
      } catch {
        setOwn(rows, name, row)
      }
  }
  return rows
}
