// Fleets that break a promise about tasks that agents give to each other.
import type { EventMap, Stage } from '../../runtime/stage.ts'
import { stage } from './mutations.ts'
import type { Mutation } from './simulate.ts'

type Emits = ReturnType<Stage['decide']>['emit']

const emitting =
  (change: (emit: NonNullable<Emits>) => NonNullable<Emits>) =>
  (each: Stage): Stage => ({
    ...each,
    decide: (...given) => {
      const decision = each.decide(...given)
      return decision.emit ? { ...decision, emit: change(decision.emit) } : decision
    },
    conclude: (...given) => {
      const decision = each.conclude?.(...given) ?? {}
      return decision.emit ? { ...decision, emit: change(decision.emit) } : decision
    },
  })

export const treeMutants: Readonly<Record<string, Mutation>> = {
  'a cancel does not reach the tasks that were delegated': stage(
    'tool-executor',
    emitting((emit) => emit.filter(({ type }) => type !== 'TaskCancelled')),
  ),
  'the end of a delegated task is not told': stage(
    'planner',
    emitting((emit) => emit.filter(({ type }) => type !== 'DelegationEnded')),
  ),
  'those above a task do not learn that a call of it waits': stage(
    'planner',
    emitting((emit) => emit.filter(({ type }) => type !== 'DelegationHeld')),
  ),
  'what delegated tasks cost is forgotten': stage(
    'tool-executor',
    emitting((emit) =>
      emit.map((each) =>
        each.type === 'ToolCompleted' && each.data.child
          ? {
              ...each,
              data: {
                ...each.data,
                child: { ...each.data.child, cost: 0 },
              } satisfies EventMap['ToolCompleted'],
            }
          : each,
      ),
    ),
  ),
}
