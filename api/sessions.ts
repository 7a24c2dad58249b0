// Routes of sessions: conversations whose turns are tasks.
import { z } from 'zod'
import { route } from './route.ts'
import { clamped, name, readName, text, timeMs } from './schemas/values.ts'

const ofSession = z.object({ id: name('Id of the session.') })
const user = readName('Sessions of this user.')

const sessionView = z
  .object({
    sessionId: z.string(),
    userId: z.string().nullable().meta({ description: 'The user that began it.' }),
    begunAtMs: timeMs,
    lastAtMs: timeMs.meta({ description: 'When its last turn ended, epoch milliseconds.' }),
    turns: z.number().meta({ description: 'Turns that have ended.' }),
    asked: z.string().nullable().meta({
      description: 'What its first turn asked, at most 200 characters of it; null: not known any more.',
    }),
  })
  .meta({ id: 'Session' })

const turnView = z
  .object({
    turn: z.number(),
    taskId: z.string(),
    status: z.string(),
    asked: z.string(),
    answered: z.string().meta({ description: 'The answer as text, or why there was none.' }),
    atMs: timeMs,
  })
  .meta({ id: 'Turn' })

/** Python variables that are kept, by agent: sizes, never values. */
const keptVariables = z
  .object({
    untilMs: timeMs.meta({
      description: 'When they go, unless the session is used before. Epoch milliseconds.',
    }),
    owners: z.array(
      z.object({
        agent: z.string(),
        executor: z.string(),
        steps: z.number().meta({ description: 'Python steps that define them again.' }),
        chars: z.number().meta({ description: 'Characters of their code and results of tools.' }),
        computeMs: z.number().meta({ description: 'How long these steps compute.' }),
        gone: z.string().optional().meta({ description: 'Why what was kept is gone. Absent: it is not.' }),
      }),
    ),
  })
  .meta({ id: 'KeptVariables' })

const sessionDetail = z
  .object({
    ...sessionView.shape,
    summary: z
      .string()
      .nullable()
      .meta({ description: 'Stands for the turns through `summaryThrough` in what tasks are given.' }),
    summaryThrough: z.number().nullable(),
    variables: keptVariables.nullable().meta({
      description: 'Python variables, as its last turn left them; null: none were ever kept.',
    }),
    list: z.array(turnView).meta({ description: 'Its turns, the oldest first.' }),
    next: z.number().nullable().meta({ description: '`after` of the next page; null: there is none.' }),
  })
  .meta({ id: 'SessionDetail' })

const sessionList = z
  .object({
    sessions: z.array(sessionView),
    next: z.string().nullable().meta({ description: '`after` of the next page; null: there is none.' }),
  })
  .meta({ id: 'SessionList' })

export type SessionView = z.output<typeof sessionView>
export type SessionDetail = z.output<typeof sessionDetail>
export type KeptVariablesView = z.output<typeof keptVariables>
export type SessionList = z.output<typeof sessionList>
export type TurnView = z.output<typeof turnView>

const limit = clamped({ least: 1, most: 1_000 }, 'How many at most.').default(100)

export const sessions = {
  list: route({
    method: 'GET',
    path: '/v1/sessions',
    tag: 'sessions',
    summary: 'Sessions, the one used last first',
    description: 'A session is listed when its first turn has ended. A user sees only their own.',
    query: z.strictObject({
      user: user.exactOptional(),
      limit,
      after: text('`next` of the page before.').exactOptional(),
    }),
    answers: { 200: { description: 'A page of them.', schema: sessionList } },
    errors: ['STORE_UNAVAILABLE'],
  }),
  get: route({
    method: 'GET',
    path: '/v1/sessions/:id',
    tag: 'sessions',
    summary: 'One session, with its turns',
    params: ofSession,
    query: z.strictObject({
      limit,
      after: clamped({ least: 0, most: 2_147_483_647 }, 'Turns behind this one.').default(0),
    }),
    answers: { 200: { description: 'The session, and a page of its turns.', schema: sessionDetail } },
    errors: ['NOT_FOUND', 'STORE_UNAVAILABLE'],
  }),
  remove: route({
    method: 'DELETE',
    path: '/v1/sessions/:id',
    tag: 'sessions',
    summary: 'Delete a session',
    description:
      'Its running task is cancelled, those that wait are rejected, and its texts leave the ledger. Records on the log stay until their retention ends, and the cost of its tasks stays in the ledger.',
    params: ofSession,
    answers: {
      202: { description: 'It is durable in the log.', schema: z.object({ sessionId: z.string() }) },
    },
    errors: ['NOT_FOUND', 'STORE_UNAVAILABLE'],
  }),
}
