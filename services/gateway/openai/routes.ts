// Routes for clients of OpenAI's API: docs/openai-compatible.md.
import { openai as routes } from '../../../api/routes.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { LogClient } from '../../../client/log/client.ts'
import type { DirectSessions } from '../../../operator/direct/sessions.ts'
import { defaultSessions } from '../../../runtime/config/sessions.ts'
import type { RoutesContext } from '../../../runtime/service.ts'
import type { RequestCounts } from '../request-counts.ts'
import type { Owners } from '../access/owners.ts'
import type { KnownTasks } from '../known-tasks.ts'
import { serve } from '../routes/serve.ts'
import { noHead } from '../streams.ts'
import type { SubmittedIds } from '../submitted-ids.ts'
import { Agents, modelOf } from './agents.ts'
import { answerChat } from './chat.ts'
import { Conversations } from './conversations.ts'
import { isBugOf, sendOpenAiError } from './errors.ts'
import { cancelResponse, createResponse, retrieveResponse } from './responses.ts'
import { Running } from './running.ts'

export interface OpenAiParts {
  readonly client: LogClient
  readonly known: KnownTasks
  readonly ids: SubmittedIds
  readonly owners: Owners
  readonly requestCounts: RequestCounts
  readonly sessions: DirectSessions
  readonly context: RoutesContext
}

/** Within a scope of their own, because their errors have another shape. */
export async function openaiRoutes(app: FastifyInstance, parts: OpenAiParts): Promise<void> {
  await app.register(async (scope) => register(scope, parts))
}

function register(
  app: FastifyInstance,
  { client, known, ids, owners, requestCounts, sessions, context }: OpenAiParts,
): void {
  const { fleet, environment, logger } = context
  const settings = environment.http
  const running = new Running({ client, known, ids, owners, requestCounts, settings, logger })
  const { retentionDays } = fleet.sessions ?? defaultSessions
  const conversations = new Conversations({ sessions, store: context.keyValue, retentionDays })
  const agents = (request: FastifyRequest): Agents => new Agents(fleet, request)

  app.setErrorHandler((error: Error, { method, url }, reply) => {
    if (isBugOf(error)) logger.error({ err: error, method, url }, 'failed to answer a request')
    return sendOpenAiError(error, reply)
  })

  serve(app, routes.models, (request) => ({
    object: 'list' as const,
    data: agents(request).list().map(modelOf),
  }))
  for (const route of [routes.model, routes.modelUnescaped])
    serve(app, route, (request) => modelOf(agents(request).named(request.params.id).name))
  serve(app, routes.chat, (request, reply) => answerChat(request, reply, running, agents(request)))
  serve(app, routes.createResponse, (request, reply) =>
    createResponse(request, reply, running, { agents: agents(request), conversations }),
  )
  serve(
    app,
    routes.response,
    (request, reply) => retrieveResponse(request, reply, running, agents(request)),
    noHead,
  )
  serve(app, routes.cancelResponse, (request, reply) =>
    cancelResponse(request, reply, running, agents(request)),
  )
  conversationRoutes(app, conversations)
}

function conversationRoutes(app: FastifyInstance, conversations: Conversations): void {
  serve(app, routes.createConversation, (request) => conversations.create(request))
  serve(app, routes.conversation, (request) => conversations.get(request, request.params.id))
  serve(app, routes.updateConversation, (request) => conversations.update(request, request.params.id))
  serve(app, routes.deleteConversation, async (request) => {
    const { id } = request.params
    await conversations.remove(request, id)
    return { id, object: 'conversation.deleted' as const, deleted: true as const }
  })
  serve(app, routes.conversationItems, (request) =>
    conversations.items(request, request.params.id, request.query),
  )
  serve(app, routes.conversationItem, (request) =>
    conversations.item(request, request.params.id, request.params.item),
  )
}
