// Totals over many seeds.
import { isCrash, type FaultKind } from '../../runtime/testing/simulator/fate.ts'
import type { Ability } from './abilities.ts'
import type { SimulationReport } from './simulate.ts'

export class Totals {
  seeds = 0
  tasks = 0
  calls = 0
  failed = 0
  readonly faults = new Map<FaultKind, number>()
  /** Calls made again, by the fault that explains it. */
  readonly inDoubt = new Map<string, number>()

  /** Seeds that had the ability. */
  readonly abilities = new Map<Ability, number>()

  /** How tasks ended: error codes, or statuses. */
  readonly endings = new Map<string, number>()

  add(report: SimulationReport): void {
    this.seeds++
    this.tasks += report.tasks
    this.calls += report.calls
    this.failed += Number(report.violations.length > 0)
    for (const { kind } of report.faults) this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1)
    for (const ability of report.abilities)
      this.abilities.set(ability, (this.abilities.get(ability) ?? 0) + 1)
    addAll(this.inDoubt, report.inDoubt)
    addAll(this.endings, report.endings)
  }

  get crashes(): number {
    return sum([...this.faults].filter(([kind]) => isCrash(kind)))
  }

  get repeated(): number {
    return sum(this.inDoubt)
  }
}

function addAll(into: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) into.set(name, (into.get(name) ?? 0) + count)
}

const sum = (counts: Iterable<readonly [string, number]>): number =>
  [...counts].reduce((total, [, count]) => total + count, 0)
