// Routes of calls that wait for people. The decision about one is a route of its task (tasks.ts).
import { z } from 'zod'
import { route, type Route } from './route.ts'
import { json, text, timeMs, whole } from './schemas/values.ts'

const approval = z
  .object({
    taskId: z.string(),
    callId: z.string(),
    tool: z.string(),
    why: z.string().meta({
      description: 'approval; question: an answer is wanted; doubt: nobody knows whether it took effect.',
    }),
    status: z.string().meta({
      description: 'waiting, approved, declined, answered, settled, expired or withdrawn.',
    }),
    step: z.number(),
    userId: z.string().nullable(),
    agent: z.string().nullable(),
    arguments: json.meta({ description: 'As asked for.' }),
    terms: json.meta({
      description: '{rule, needed, approvers, onExpiry, answer}; answer: its JSON Schema.',
    }),
    votes: json.meta({
      description: 'Approvals so far: [{by, credential, madeBy, atMs, reason, arguments}].',
    }),
    agreed: z.number().meta({
      description: 'People who agree so far, of `terms.needed`: on the same arguments, and each person once.',
    }),
    heldAtMs: timeMs.meta({
      description: 'When it began to wait; names this wait in a decision. Epoch milliseconds.',
    }),
    expiresAtMs: timeMs.nullable(),
    endedAtMs: timeMs.nullable(),
    approval: json.meta({ description: 'How people decided; null while it waits.' }),
  })
  .meta({ id: 'Approval' })

export const approvals = {
  list: route({
    method: 'GET',
    path: '/v1/approvals',
    tag: 'tasks',
    summary: 'Tool calls that wait for a person',
    description:
      'Those that wait longest first; with `status=all`, also those that are over, the latest first.',
    query: z.strictObject({
      status: z.enum(['waiting', 'all']).exactOptional().meta({ description: 'waiting unless given.' }),
      user: text('Of tasks of this user.').exactOptional(),
      task: text('Of this task.').exactOptional(),
      limit: whole({ least: 1, most: 1_000 }, 'How many at most: 100 unless given.').exactOptional(),
    }),
    answers: { 200: { description: 'The calls.', schema: z.array(approval) } },
    errors: ['STORE_UNAVAILABLE'],
  }),
} as const satisfies Record<string, Route>
