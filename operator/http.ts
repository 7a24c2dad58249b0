import { initOf, pathOf, type Asked } from '../api/request.ts'
import {
  approvals,
  evaluations as evaluationRoutes,
  operator as routes,
  sessions,
  tasks,
} from '../api/routes.ts'
import type { AnswerOf, BodyOf, Route } from '../api/route.ts'
import { queryOf } from '../api/schemas/task-query.ts'
import { askGateway, askJson, authorization, brokenOff } from '../client/http/requests.ts'
import type { Recording } from '../runtime/task/recording.ts'
import type { TaskSubmitted } from '../schemas/generated/events.ts'
import type { Operator } from './index.ts'
import { taskInput } from './task-input.ts'

export interface HttpOperatorOptions {
  /** A key of the fleet, or a token that it accepts. Needed unless its API is open. */
  readonly apiKey?: string | undefined
}

/**
 * The operator through a gateway: an embedded fleet's file belongs to the process that runs it. Rejects with
 * the gateway's errors, and with GATEWAY_UNAVAILABLE.
 */
export function httpOperator(gateway: string, { apiKey }: HttpOperatorOptions = {}): Operator {
  const headers = authorization(apiKey)
  const ask = async <R extends Route>(route: R, asked: Asked<R> = {}): Promise<AnswerOf<R>> => {
    const init = { headers, ...initOf(route, asked) }
    return (await askJson<AnswerOf<R>>(gateway, pathOf(route, asked), init)) as AnswerOf<R>
  }
  return {
    tasks: {
      list: (query = {}) => ask(tasks.list, { query: queryOf(query) }),
      get: (id) => ask(tasks.get, { params: { id } }),
      tree: (id) => ask(tasks.tree, { params: { id } }),
      // The gateway says which states a task can be cancelled in.
      cancel: (options) => ask(tasks.cancelMany, { body: options as BodyOf<typeof tasks.cancelMany> }),
    },
    results: {
      page: ({ sinceMs, ...query } = {}) =>
        ask(tasks.resultPage, {
          query: { limit: 100, ...query, ...(sinceMs ? { since: sinceMs } : {}) },
        }),
    },
    forks: {
      fork: (id, options = {}) =>
        ask(tasks.fork, { params: { id }, body: options as BodyOf<typeof tasks.fork> }),
      submission: async (id) => {
        const { submittedAtMs: _at, ...task } = await ask(tasks.submission, {
          params: { id },
          query: { conversation: true },
        })
        return taskInput(task as unknown as TaskSubmitted)
      },
      recording: async (id, fromStep) =>
        (await ask(tasks.recording, {
          params: { id },
          query: fromStep === undefined ? {} : { fromStep },
        })) as unknown as Recording,
      replay: (id) => ask(tasks.replay, { params: { id } }),
      compare: (id, other) => ask(tasks.compare, { params: { id, other } }),
    },
    approvals: { list: (query = {}) => ask(approvals.list, { query }) },
    configuration: {
      agents: () => ask(routes.agents),
      tools: () => ask(routes.tools),
      models: () => ask(routes.models),
      config: () => ask(routes.config),
    },
    mcpServers: { list: () => ask(routes.mcpServers) },
    pauses: { list: () => ask(routes.pauses), set: (body) => ask(routes.pause, { body }) },
    lanes: { list: () => ask(routes.lanes) },
    topics: { list: () => ask(routes.topics) },
    deadLetters: {
      list: (limit = 100, filter = {}) => ask(routes.deadLetters, { query: { limit, ...sinceOf(filter) } }),
      get: (id) => ask(routes.deadLetter, { params: { id } }),
      replay: (id, body = {}) => ask(routes.replay, { params: { id }, body }),
      replayAll: (body) => ask(routes.replayAll, { body }),
      purge: (body) => ask(routes.purge, { body }),
    },
    breakers: { list: () => ask(routes.breakers) },
    alerts: {
      list: () => ask(routes.alerts),
      silence: async (rule, body) => void (await ask(routes.silence, { params: { rule }, body })),
      test: (rule) => ask(routes.testAlert, { params: { rule } }),
    },
    sessions: {
      list: (query = {}) => ask(sessions.list, { query: { limit: 100, ...query } }),
      get: (id, page = {}) => ask(sessions.get, { params: { id }, query: { limit: 100, after: 0, ...page } }),
      remove: (id) => ask(sessions.remove, { params: { id } }),
    },
    usage: {
      summary: (options) => ask(routes.usage, { query: timesOf(options) }),
      async *export(options) {
        const path = pathOf(routes.usageExport, { query: timesOf(options) })
        const { body } = await askGateway(gateway, path, { headers })
        if (body) yield* whole(body.pipeThrough(new TextDecoderStream()), gateway)
      },
    },
    evaluations: httpEvaluations(ask, (path) => askGateway(gateway, path, { headers }), gateway),
    keys: {
      create: (body) => ask(routes.createKey, { body }),
      list: () => ask(routes.keys),
      revoke: (id) => ask(routes.revokeKey, { params: { id } }),
    },
    limits: { show: () => ask(routes.limits), rebuild: () => ask(routes.rebuildLimits) },
  }
}

function httpEvaluations(
  ask: <R extends Route>(route: R, asked?: Asked<R>) => Promise<AnswerOf<R>>,
  read: (path: string) => ReturnType<typeof askGateway>,
  gateway: string,
): Operator['evaluations'] {
  const { listRuns, getRun, saveRun, addCases, exportRun, deleteRun } = evaluationRoutes
  return {
    list: (limit = 100) => ask(listRuns, { query: { limit } }),
    get: (id) => ask(getRun, { params: { id } }),
    save: (run) => ask(saveRun, { body: run }),
    delete: async (id) => (await ask(deleteRun, { params: { id } })).deleted,
    add: async (id, cases) => void (await ask(addCases, { params: { id }, body: { cases } })),
    async *export(id, format) {
      const { body } = await read(pathOf(exportRun, { params: { id }, query: { format } }))
      if (body) yield* whole(body.pipeThrough(new TextDecoderStream()), gateway)
    },
  }
}

async function* whole(parts: AsyncIterable<string>, gateway: string): AsyncGenerator<string> {
  try {
    yield* parts
  } catch (cause) {
    throw brokenOff(gateway, cause)
  }
}

function sinceOf<T extends { readonly sinceMs?: number }>({ sinceMs, ...rest }: T) {
  return { ...rest, since: sinceMs }
}

function timesOf<T extends { readonly fromMs?: number; readonly toMs?: number }>({
  fromMs,
  toMs,
  ...rest
}: T) {
  return { ...rest, from: fromMs, to: toMs }
}
