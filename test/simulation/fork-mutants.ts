// Fleets that break a promise about forks.
import type { Stage, StageEvent } from '../../runtime/stage.ts'
import { stage } from './mutations.ts'
import type { Mutation } from './simulate.ts'

/** A stage that handles other events than it was sent. */
const handling =
  (change: (event: StageEvent) => StageEvent) =>
  (each: Stage): Stage => ({
    ...each,
    decide: (event, rows, lane) => each.decide(change(event), rows, lane),
  })

export const forkMutants: Readonly<Record<string, Mutation>> = {
  'a fork calls the tools for which its recording answers': stage(
    'planner',
    handling((event) =>
      event.type === 'TaskAdmitted' ? { ...event, data: { ...event.data, toolPolicy: 'live' } } : event,
    ),
  ),
  'a fork that has to ask a person asks nobody': stage(
    'tool-executor',
    handling((event) =>
      event.type === 'ToolRequested' ? { ...event, data: { ...event.data, ask: false } } : event,
    ),
  ),
  'a fork forgets its origin': stage(
    'planner',
    handling((event) =>
      event.type === 'TaskAdmitted' ? { ...event, data: { ...event.data, forkedFrom: null } } : event,
    ),
  ),
}
