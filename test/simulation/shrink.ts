// Finds the smallest part of a failing run that still fails: delta debugging (Zeller's ddmin) over the faults
// that struck and the actions of users. Draws do not depend on each other (fate.ts), so leaving one out
// changes nothing else.
import { simulate, type Mutation, type SimulationReport } from './simulate.ts'

export interface Shrunk {
  /** Ids of actions and faults. */
  readonly kept: readonly string[]
  readonly runs: number
}

const MAX_RUNS = 400

/** The elements that shrinking can leave out, in the order of `--keep`. */
export const elementsOf = ({ deeds, faults }: SimulationReport): string[] => [
  ...deeds,
  ...faults.map(({ id }) => id),
]

export async function shrink(failed: SimulationReport, mutation: Mutation = {}): Promise<Shrunk> {
  const { seed, abilities } = failed
  const invariants = new Set(failed.violations.map(({ invariant }) => invariant))
  let runs = 0
  const stillFails = async (kept: readonly string[]): Promise<boolean> => {
    runs++
    const { violations } = await simulate(seed, { mutation, abilities, only: new Set(kept) })
    return violations.some(({ invariant }) => invariants.has(invariant))
  }
  let kept = elementsOf(failed)
  let parts = 2
  while (kept.length >= 2 && runs < MAX_RUNS) {
    const without = await firstWithout(kept, parts, stillFails, () => runs < MAX_RUNS)
    if (without) {
      kept = without
      parts = Math.max(2, parts - 1)
    } else if (parts >= kept.length) break
    else parts = Math.min(kept.length, parts * 2)
  }
  return { kept, runs }
}

/** The rest after leaving out the first of `parts` equal parts without which the run still fails. */
async function firstWithout(
  kept: readonly string[],
  parts: number,
  stillFails: (kept: readonly string[]) => Promise<boolean>,
  mayGoOn: () => boolean,
): Promise<string[] | null> {
  const size = Math.ceil(kept.length / parts)
  for (let start = 0; start < kept.length && mayGoOn(); start += size) {
    const rest = [...kept.slice(0, start), ...kept.slice(start + size)]
    if (await stillFails(rest)) return rest
  }
  return null
}
