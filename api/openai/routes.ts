// Routes for clients of OpenAI's API: docs/openai-compatible.md.
import { z } from 'zod'
import type { ErrorCode } from '../../runtime/errors.ts'
import { idempotencyKey } from '../request-headers.ts'
import { route, type Answer, type Route } from '../route.ts'
import { flag, whole } from '../schemas/values.ts'
import { conversations } from './conversations.ts'
import { chatChunk, chatCompletion, chatRequest } from './chat.ts'
import { model, modelList, openaiError } from './fields.ts'
import { chatParameters, responseParameters, type Parameters } from './parameters.ts'
import { response, responseRequest } from './responses.ts'

const none = z.strictObject({})
const shared = { tag: 'openai', protocol: 'openai' } as const

/** With every parameter of the table: what it can't take is null, and anything else is refused. */
function withEvery(schema: z.ZodObject, table: Parameters): z.ZodObject {
  const others = Object.entries(table).filter(([name]) => !Object.hasOwn(schema.shape, name))
  const fields = others.map(([name, { is, how }]) => {
    if (is === 'refused') return [name, z.null().optional().describe(`Not supported: ${how}.`)]
    const note = is === 'hint' ? 'A hint, without effect' : 'Only a value that changes nothing'
    return [name, z.any().optional().describe(`${note}: ${how}.`)]
  })
  return z.strictObject({ ...schema.shape, ...(Object.fromEntries(fields) as z.ZodRawShape) })
}

const chatBody = withEvery(chatRequest, chatParameters).meta({ id: 'ChatCompletionRequest' })
const responseBody = withEvery(responseRequest, responseParameters).meta({ id: 'ResponseRequest' })

const responseEvent = z
  .looseObject({ type: z.string(), sequence_number: z.int() })
  .meta({ id: 'ResponseEvent', description: 'An event of a response, as OpenAI’s API describes them.' })

const modelId = z.object({ id: z.string().meta({ description: 'Name of an agent.' }) })
const responseId = z.object({ id: z.string().meta({ description: '`resp_` and the id of its task.' }) })

const failed = (description: string): Answer => ({ description, schema: openaiError })
const unknownModel = failed('There is no such model; AGENT_UNKNOWN is `model_not_found`.')
const unknownResponse = failed('There is no such response, or none for this client.')

/** A task that did not succeed, as the answer to the request that waited for it. */
const taskFailures = {
  404: unknownModel,
  409: failed('The task was cancelled, or the idempotency key belongs to another request.'),
  500: failed('The task failed. `x-should-retry: false` says that it has run.'),
  504: failed('The task has passed its deadline.'),
}
const submitErrors = [
  'TASK_INVALID',
  'TASK_ID_REUSED',
  'RECORD_TOO_LARGE',
  'TOO_MANY_STREAMS',
  'SEARCH_UNFINISHED',
] as const satisfies ErrorCode[]

const submitHeaders = {
  'idempotency-key': idempotencyKey,
  'flotilla-on-disconnect': {
    description: 'What becomes of the task if the client leaves: `cancel` (default) or `continue`.',
    pattern: '^(cancel|continue)$',
  },
}
const taskIdHeader = { 'flotilla-task-id': 'Id of the task.' }

export const openai = {
  ...conversations,
  models: route({
    ...shared,
    method: 'GET',
    path: '/v1/models',
    summary: 'The agents as models',
    query: none,
    answers: { 200: { description: 'Those that the client may use.', schema: modelList } },
  }),
  model: route({
    ...shared,
    method: 'GET',
    path: '/v1/models/:id',
    summary: 'An agent as a model',
    params: modelId,
    query: none,
    answers: { 200: { description: 'The model.', schema: model }, 404: unknownModel },
  }),
  /** An id has a slash, which clients escape or not. */
  modelUnescaped: route({
    ...shared,
    method: 'GET',
    path: '/v1/models/flotilla/:id',
    summary: 'An agent as a model, by its full name',
    params: modelId,
    query: none,
    answers: { 200: { description: 'The model.', schema: model }, 404: unknownModel },
  }),
  chat: route({
    ...shared,
    method: 'POST',
    path: '/v1/chat/completions',
    summary: 'A task as a chat completion',
    description: 'With `stream: true` as server-sent events, the last of which is `[DONE]`.',
    headers: submitHeaders,
    body: chatBody,
    checkedLater: ['body'],
    bodyExample: {
      model: 'flotilla/default',
      messages: [{ role: 'user', content: 'What is 6 times 7?' }],
    },
    answers: {
      200: {
        description: 'The completion, or its chunks.',
        schema: chatCompletion,
        events: chatChunk,
        headers: taskIdHeader,
      },
      ...taskFailures,
    },
    errors: submitErrors,
  }),
  createResponse: route({
    ...shared,
    method: 'POST',
    path: '/v1/responses',
    summary: 'A task as a response',
    description:
      'With `stream: true` as server-sent events. With `background: true` it is answered once the task is durable: poll it, cancel it, or resume its stream.',
    headers: submitHeaders,
    body: responseBody,
    checkedLater: ['body'],
    bodyExample: { model: 'flotilla/default', input: 'What is 6 times 7?' },
    answers: {
      200: {
        description: 'The response, or its events.',
        schema: response,
        events: responseEvent,
        headers: taskIdHeader,
      },
      ...taskFailures,
    },
    errors: submitErrors,
  }),
  response: route({
    ...shared,
    method: 'GET',
    path: '/v1/responses/:id',
    summary: 'A response as it is now, or its events',
    params: responseId,
    query: z.strictObject({
      stream: flag('True: its events.').exactOptional(),
      starting_after: whole(
        { least: 0, most: 999_999_999 },
        'With `stream`: begins behind the event with this sequence_number.',
      ).exactOptional(),
      include_obfuscation: flag('Only `false`.').exactOptional(),
    }),
    checkedLater: ['query'],
    answers: {
      200: { description: 'The response, or its events.', schema: response, events: responseEvent },
      404: unknownResponse,
      500: failed('With `stream`: the task was refused before it began, or it is a bug.'),
    },
    errors: ['SEARCH_UNFINISHED', 'TOO_MANY_STREAMS'],
  }),
  cancelResponse: route({
    ...shared,
    method: 'POST',
    path: '/v1/responses/:id/cancel',
    summary: 'Cancel the task of a response',
    description: 'Waits up to 5 s for its end.',
    params: responseId,
    body: none,
    answers: {
      200: { description: 'The response as it is then.', schema: response },
      404: unknownResponse,
    },
    errors: ['SEARCH_UNFINISHED'],
  }),
} as const satisfies Record<string, Route>
