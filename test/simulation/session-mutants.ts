// Fleets whose sessions break one promise each.
import type { KeptStep, TurnVariables } from '../../runtime/python/kept-variables.ts'
import type { Json, StageEvent } from '../../runtime/stage.ts'
import { stage } from './mutations.ts'
import type { Mutation } from './simulate.ts'

type SessionRow = Readonly<Record<string, unknown>>

/** The sessions stage, with another look at its row. */
const looking = (look: (row: SessionRow, event: StageEvent) => SessionRow | undefined): Mutation =>
  stage('sessions', (sessions) => ({
    ...sessions,
    decide: (event, rows, lane) => {
      const row = rows['session'] as SessionRow | undefined
      return sessions.decide(event, row ? { ...rows, session: look(row, event) } : rows, lane)
    },
  }))

const askedFor = (event: StageEvent): event is Extract<StageEvent, { type: 'TurnRequested' }> =>
  event.type === 'TurnRequested'

/** The steps of a turn that reach its session. */
const reporting = (kept: (steps: readonly KeptStep[]) => readonly KeptStep[]): Mutation =>
  stage('sessions', (sessions) => ({
    ...sessions,
    decide: (event, rows, lane) => {
      if (event.type !== 'TurnEnded' || event.data.variables === null)
        return sessions.decide(event, rows, lane)
      const ended = event.data.variables as unknown as TurnVariables
      const variables = { ...ended, steps: kept(ended.steps) } as unknown as Json
      return sessions.decide({ ...event, data: { ...event.data, variables } }, rows, lane)
    },
  }))

export const sessionMutants: Readonly<Record<string, Mutation>> = {
  'a turn of a session is granted while another one runs': looking((row, event) =>
    askedFor(event) ? { ...row, running: null } : row,
  ),
  'a session takes whoever names it': looking((row, event) =>
    askedFor(event) ? { ...row, userId: event.data.userId } : row,
  ),
  'messages of a session are not taken in their order': looking((row, event) =>
    event.type === 'TurnEnded' && row['deleting'] === undefined
      ? { ...row, waiting: (row['waiting'] as readonly unknown[]).toReversed() }
      : row,
  ),
  'a step is lost of the variables that a session keeps': reporting((steps) => steps.slice(1)),
  'the variables of a session are those of another run': reporting((steps) =>
    steps.map((step) => ({ ...step, nowMs: step.nowMs + 1 })),
  ),
}
