// Events whose handling kills their process: each time, or a few times only.
//
// 1. The first event of the task that comes to its stage is the deadly one; the task's other events harm
//    nobody.
import { endsLanes, outlasts, type Fate } from '../../runtime/testing/simulator/fate.ts'
import type { Phase, World } from '../../runtime/testing/simulator/world.ts'
import type { DeadLettered } from '../../schemas/generated/events.ts'

interface Plan {
  readonly taskId: string
  readonly stage: string
  readonly phase: Phase
  /** How often it kills; Infinity: whenever it is handled. */
  readonly times: number
  /** Id of the event, or of its call. */
  id: string | null
  deaths: number
}

const places: readonly (readonly [stage: string, phase: Phase])[] = [
  ['router', 'decide'],
  ['planner', 'decide'],
  ['planner', 'call'],
  ['planner', 'conclude'],
  ['tool-executor', 'decide'],
  ['tool-executor', 'call'],
  ['tool-executor', 'conclude'],
  ['code-sandbox', 'decide'],
  ['code-sandbox', 'call'],
  ['code-sandbox', 'conclude'],
]

/** If processes die that often of other causes, three deaths prove nothing: giving up takes some more. */
export const MOST_DEATHS = 20
/** Age up to which an event in a trial is not known to have lived. */
const FIRST_STEP_MS = 10
/** A pause or a cut at its longest, and the session that ends by it. */
const LONGEST_MS = 15_000

export class Deadly {
  readonly plans: Plan[] = []

  constructor(fate: Fate, seed: number, isOn: boolean) {
    const count = isOn ? fate.between(1, 2, 'deadly events') : 0
    for (let index = 0; index < count; index++) {
      const [stage, phase] = fate.pick(places, `deadly place ${index}`)
      const times = fate.pick([1, 2, Infinity, Infinity], `deadly times ${index}`)
      this.plans.push({ taskId: `deadly-${index}.${seed}`, stage, phase, times, id: null, deaths: 0 })
    }
  }

  /** Whether this handling is the end of its process. */
  kills(stage: string, phase: Phase, key: string, id: string): boolean {
    const plan = this.plans.find(
      (each) =>
        each.stage === stage &&
        each.phase === phase &&
        (key === each.taskId || key.startsWith(`${each.taskId}/`)),
    )
    if (!plan) return false
    plan.id ??= id
    return plan.id === id && plan.deaths < plan.times
  }

  died(key: string): void {
    const plan = this.plans.find(({ taskId }) => key === taskId || key.startsWith(`${taskId}/`))
    if (plan) plan.deaths++
  }

  /** Whether a dead letter of this key may be a conviction. */
  isDeadly(key: string | null): boolean {
    return this.plans.some(({ taskId }) => key === taskId || key?.startsWith(`${taskId}/`))
  }

  /** Whether an event of this task may have been given up with its process. */
  isGivenUp(taskId: string, letters: readonly DeadLettered[], world: World): boolean {
    if (this.isDeadly(taskId)) return true
    return letters.some((letter) => letter.key?.split('/')[0] === taskId && this.isCoincidence(letter, world))
  }

  /**
   * Whether an innocent event was given up by the chance that the quarantine takes (suspects.ts): it had been held back,
   * and its lane ended just as its trial began. Faults strike at operations here, and a trial begins with one.
   */
  isCoincidence(
    { stage, partition, code }: DeadLettered,
    { witness, fate, slowestCommitMs }: World,
  ): boolean {
    const nearMs = FIRST_STEP_MS + slowestCommitMs
    const ends = fate.faults.filter(({ kind }) => endsLanes(kind))
    return (
      code === 'PROCESS_DIED' &&
      witness.heldTrials
        .filter((trial) => trial.stage === stage && trial.lane === partition)
        .some((trial) =>
          ends.some(({ kind, atMs }) => {
            const agoMs = trial.atMs - atMs
            return -nearMs <= agoMs && agoMs <= (outlasts(kind) ? LONGEST_MS : nearMs)
          }),
        )
    )
  }
}
