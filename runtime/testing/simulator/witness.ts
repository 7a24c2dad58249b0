// Compares writes and reads of the log, beneath every fault: folds the state of each lane from the commits
// alone. Notes when suspects that were held back are tried.
import { beginsHeldTrial } from '../../host/lane/quarantine.ts'
import type { LaneCommit, OpenLane, StateRow } from '../../log/port.ts'

export class Witness {
  readonly violations: string[] = []
  readonly heldTrials: { readonly stage: string; readonly lane: number; readonly atMs: number }[] = []
  readonly #lanes = new Map<string, Map<string, Uint8Array>>()

  /** A commit that was written, in the order of writing. */
  written(group: string, lane: number, { rows }: LaneCommit, atMs: number): void {
    const state = this.#lane(group, lane)
    if (rows.some(beginsHeldTrial)) this.heldTrials.push({ stage: group, lane, atMs })
    for (const { key, value } of rows) {
      if (value === null) state.delete(key)
      else state.set(key, value)
    }
  }

  /** A lane was opened. */
  opened(group: string, { lane, rows }: OpenLane): void {
    const difference = this.compare(group, lane, rows)
    if (difference !== null) this.violations.push(`opening lane ${lane} of ${group}: ${difference}`)
  }

  /** Null: these rows are the fold of the commits. */
  compare(group: string, lane: number, rows: Iterable<StateRow>): string | null {
    const left = new Map(this.#lane(group, lane))
    for (const { key, value } of rows) {
      const expected = left.get(key)
      const name = key.replace('\u0000', ' ')
      if (!expected) return `row ${name} was never committed, or was deleted`
      if (value === null || !Buffer.from(value).equals(expected))
        return `row ${name} is not what was committed`
      left.delete(key)
    }
    const [missing] = left.keys()
    return missing === undefined ? null : `row ${missing.replace('\u0000', ' ')} is missing`
  }

  #lane(group: string, lane: number): Map<string, Uint8Array> {
    const name = `${group}/${lane}`
    let state = this.#lanes.get(name)
    if (!state) this.#lanes.set(name, (state = new Map()))
    return state
  }
}
