// Routes of server-sent events: docs/http-events.md.
import { z } from 'zod'
import { route, type Route } from './route.ts'
import { taskId } from './schemas/tasks.ts'
import { flag, text } from './schemas/values.ts'
import { taskEventSchemas } from './task-events.ts'

const [first, ...others] = Object.entries(taskEventSchemas).map(([type, schema]) =>
  z.object({ type: z.literal(type), ...schema.shape }),
)
const taskEvent = z
  .discriminatedUnion('type', [first as NonNullable<typeof first>, ...others])
  .meta({ id: 'TaskEvent', description: 'An event, by its type. New types and fields may be added.' })

const eventId = String.raw`^\d{1,6}:-?\d{1,15}(,\d{1,6}:-?\d{1,15})*$`
const lastId = text('Id of an event of this stream: begins behind it.')
  .meta({ pattern: `^$|${eventId}` })
  .exactOptional()
const headers = {
  'last-event-id': { description: 'The same as `after`, and wins over it.', pattern: eventId },
}
const nothing = { description: 'Nothing comes after this id: a browser that is answered so stops asking.' }

export const events = {
  ofTask: route({
    method: 'GET',
    path: '/v1/tasks/:id/events',
    tag: 'tasks',
    summary: 'Follow a task by server-sent events',
    description:
      'From its beginning, or behind the last event that the client has, to its result. Each durable event comes once, in order, with an id from which any gateway goes on.',
    params: z.object({ id: taskId }),
    query: z.strictObject({
      after: lastId,
      early: flag('Also of a task that is not submitted yet.').exactOptional(),
    }),
    headers,
    answers: { 200: { description: 'Server-sent events.', events: taskEvent }, 204: nothing },
    errors: ['TASK_UNKNOWN', 'EVENTS_GONE', 'SEARCH_UNFINISHED', 'TOO_MANY_STREAMS'],
  }),
  ofAll: route({
    method: 'GET',
    path: '/v1/events',
    tag: 'tasks',
    summary: 'Follow all tasks by server-sent events',
    description:
      'From now on, or behind the last event that the client has: everything but text and results.',
    query: z.strictObject({
      user: text('Tasks of this user.').exactOptional(),
      agent: text('Tasks of this agent.').exactOptional(),
      type: text('Types of events, separated by commas.').exactOptional(),
      task: text('Tasks whose id begins so.').exactOptional(),
      after: lastId,
    }),
    headers,
    answers: { 200: { description: 'Server-sent events.', events: taskEvent } },
    errors: ['TOO_MANY_STREAMS'],
  }),
} as const satisfies Record<string, Route>
