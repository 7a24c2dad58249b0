import { askGateway, askJson, authorization, brokenOff } from '../client/http/requests.ts'
import type { ExportOptions } from '../runtime/ledger/export.ts'
import type { SummaryOptions } from '../runtime/ledger/summary.ts'
import type { Operator } from './index.ts'
import { operatorPaths as paths, pathWith } from './routes.ts'

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
  const ask = async <T>(path: string, init: RequestInit = {}): Promise<T> =>
    (await askJson<T>(gateway, path, { headers, ...init })) as T
  const get = <T>(path: string): Promise<T> => ask<T>(path)
  const post = <T>(path: string, body: object = {}): Promise<T> =>
    ask<T>(path, { method: 'POST', body: JSON.stringify(body) })
  return {
    tasks: {
      list: (query = {}) => get(`${paths.tasks}?${queryOf(sinceOf(query))}`),
      get: (taskId) => get(pathWith(paths.task, { id: taskId })),
    },
    configuration: {
      agents: () => get(paths.agents),
      tools: () => get(paths.tools),
      models: () => get(paths.models),
      config: () => get(paths.config),
    },
    pauses: { list: () => get(paths.pauses), set: (change) => post(paths.pauses, change) },
    lanes: { list: () => get(paths.lanes) },
    topics: { list: () => get(paths.topics) },
    deadLetters: {
      list: (limit = 100, filter = {}) =>
        get(`${paths.deadLetters}?${queryOf({ limit, ...sinceOf(filter) })}`),
      get: (id) => get(pathWith(paths.deadLetter, { id })),
      replay: (id, options = {}) => post(pathWith(paths.replay, { id }), options),
      replayAll: (options) => post(paths.replayAll, options),
      purge: (options) => post(paths.purge, options),
    },
    breakers: { list: () => get(paths.breakers) },
    alerts: {
      list: () => get(paths.alerts),
      silence: async (rule, silence) => void (await post(pathWith(paths.silence, { rule }), silence)),
      test: (rule) => post(pathWith(paths.testAlert, { rule })),
    },
    usage: {
      summary: (options) => get(`${paths.usage}?${queryOf(options)}`),
      async *export(options) {
        const { body } = await askGateway(gateway, `${paths.usageExport}?${queryOf(options)}`, { headers })
        if (body) yield* whole(body.pipeThrough(new TextDecoderStream()), gateway)
      },
    },
    keys: {
      create: (key) => post(paths.keys, key),
      list: () => get(paths.keys),
      revoke: (id) => ask(pathWith(paths.key, { id }), { method: 'DELETE' }),
    },
    limits: { show: () => get(paths.limits), rebuild: () => post(paths.rebuildLimits) },
  }
}

async function* whole(parts: AsyncIterable<string>, gateway: string): AsyncGenerator<string> {
  try {
    yield* parts
  } catch (cause) {
    throw brokenOff(gateway, cause)
  }
}

function sinceOf<T extends { sinceMs?: number }>({ sinceMs, ...rest }: T) {
  return { ...rest, ...(sinceMs === undefined ? {} : { since: sinceMs }) }
}

type Query = Readonly<Record<string, string | number>>

function queryOf({
  fromMs,
  toMs,
  ...rest
}: Partial<SummaryOptions & ExportOptions> | Query): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(rest)) query.set(name, String(value))
  if (fromMs !== undefined) query.set('from', String(fromMs))
  if (toMs !== undefined) query.set('to', String(toMs))
  return query
}
