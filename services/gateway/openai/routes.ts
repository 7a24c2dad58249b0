// Routes for clients of OpenAI's API: docs/openai-compatible.md.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { LogClient } from '../../../client/log/client.ts'
import type { DirectTasks } from '../../../operator/direct/tasks.ts'
import type { RoutesContext } from '../../../runtime/service.ts'
import type { KnownTasks } from '../known-tasks.ts'
import type { SubmittedIds } from '../submitted-ids.ts'
import { Agents, modelOf } from './agents.ts'
import { answerChat } from './chat.ts'
import { isBugOf, sendOpenAiError } from './errors.ts'
import { Owners } from './owners.ts'
import { cancelResponse, createResponse, retrieveResponse } from './responses.ts'
import { Running } from './running.ts'

export interface OpenAiParts {
  readonly client: LogClient
  readonly known: KnownTasks
  readonly ids: SubmittedIds
  readonly tasks: Pick<DirectTasks, 'get'>
  readonly context: RoutesContext
}

type Params = { Params: { id: string } }

/** Within a scope of their own, because their errors have another shape. */
export async function openaiRoutes(app: FastifyInstance, parts: OpenAiParts): Promise<void> {
  await app.register(async (scope) => register(scope, parts))
}

function register(app: FastifyInstance, { client, known, ids, tasks, context }: OpenAiParts): void {
  const { fleet, environment, logger } = context
  const owners = new Owners(tasks)
  const running = new Running({ client, known, ids, owners, settings: environment.http, logger })
  const agents = (request: FastifyRequest): Agents => new Agents(fleet, request)

  app.setErrorHandler((error: Error, { method, url }, reply) => {
    if (isBugOf(error)) logger.error({ err: error, method, url }, 'failed to answer a request')
    return sendOpenAiError(error, reply)
  })

  app.get('/v1/models', (request) => ({ object: 'list', data: agents(request).list().map(modelOf) }))
  // An id has a slash, which clients escape or not.
  for (const path of ['/v1/models/:id', '/v1/models/flotilla/:id'])
    app.get<Params>(path, (request) => modelOf(agents(request).named(request.params.id).name))
  app.post('/v1/chat/completions', (request, reply) => answerChat(request, reply, running, agents(request)))
  app.post('/v1/responses', (request, reply) => createResponse(request, reply, running, agents(request)))
  app.get<Params>('/v1/responses/:id', { exposeHeadRoute: false }, (request, reply) =>
    retrieveResponse(request, reply, running, agents(request)),
  )
  app.post<Params>('/v1/responses/:id/cancel', (request, reply) =>
    cancelResponse(request, reply, running, agents(request)),
  )
}
