// Two releases in one fleet.
//
// 1. Forward: from some time on, every new process is of the next release.
// 2. Back: one process of each kind is of the next release, as long as the fleet runs, and the others are
//    not. Only it can read its rows; lanes move between the two in both directions.
import type { Stage } from '../../runtime/stage.ts'
import type { Fate } from '../../runtime/testing/simulator/fate.ts'

export interface Team {
  readonly stages: readonly Stage[]
  /** The stages of the next release, whose rows an older process can't read. */
  readonly newer: readonly Stage[]
  readonly wanted: number
}

export const newerOf = (stages: readonly Stage[]): Stage[] =>
  stages.map((stage) => ({ ...stage, version: stage.version + 1 }))

export class Rollout {
  readonly direction: 'forward' | 'back' | null
  readonly #newer = new Set<string>()

  constructor(fate: Fate, isOn: boolean, isAlone: boolean) {
    const drawn = fate.chance('roll forward', 0.5) || isAlone ? 'forward' : 'back'
    this.direction = isOn ? drawn : null
  }

  isNewer(process: string): boolean {
    return this.#newer.has(process)
  }

  /** The stages of a process that starts; `fellows`: the live processes of its kind. */
  stagesOf(
    team: Team,
    name: string,
    fellows: readonly { name: string }[],
    isLate: boolean,
  ): readonly Stage[] {
    const isFirst = !fellows.some((process) => this.isNewer(process.name))
    const isNewer = this.direction === 'forward' ? isLate : this.direction === 'back' && isFirst
    if (isNewer) this.#newer.add(name)
    return isNewer ? team.newer : team.stages
  }
}
