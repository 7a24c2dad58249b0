// Fleets whose sessions break one promise each.
import type { StageEvent } from '../../runtime/stage.ts'
import { stage } from './mutations.ts'
import type { Mutant } from './mutants.ts'

type SessionRow = Readonly<Record<string, unknown>>

/** The sessions stage, with another look at its row. */
const looking = (
  look: (row: SessionRow, event: StageEvent) => SessionRow | undefined,
): Omit<Mutant, 'seeds'> =>
  stage('sessions', (sessions) => ({
    ...sessions,
    decide: (event, rows, lane) => {
      const row = rows['session'] as SessionRow | undefined
      return sessions.decide(event, row ? { ...rows, session: look(row, event) } : rows, lane)
    },
  }))

const askedFor = (event: StageEvent): event is Extract<StageEvent, { type: 'TurnRequested' }> =>
  event.type === 'TurnRequested'

export const sessionMutants: Readonly<Record<string, Mutant>> = {
  'a turn of a session is granted while another one runs': {
    seeds: 20,
    ...looking((row, event) => (askedFor(event) ? { ...row, running: null } : row)),
  },
  'a session takes whoever names it': {
    seeds: 20,
    ...looking((row, event) => (askedFor(event) ? { ...row, userId: event.data.userId } : row)),
  },
  'messages of a session are not taken in their order': {
    seeds: 20,
    ...looking((row, event) =>
      event.type === 'TurnEnded' && row['deleting'] === undefined
        ? { ...row, waiting: (row['waiting'] as readonly unknown[]).toReversed() }
        : row,
    ),
  },
}
