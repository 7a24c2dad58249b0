// A streamed answer of a gateway, line by line. By node:http, because fetch gives up after five quiet minutes.
//
// Empty lines are a gateway's heartbeat: a connection that shows nothing for longer is dead, even if nobody has
// closed it.
import { get as getPlain, type IncomingMessage } from 'node:http'
import { get as getSecure } from 'node:https'
import { FlotillaError, type ErrorCode, errorTable } from '../../runtime/errors.ts'
import { exactTime } from '../../runtime/text/quantities.ts'
import { authorization, brokenOff, noGateway, refusal } from './requests.ts'

const NDJSON = 'application/x-ndjson'

export interface LinesOptions {
  readonly signal: AbortSignal
  /** A connection that shows nothing for this long is dead. Milliseconds. */
  readonly quietMs: number
  readonly apiKey?: string | undefined
  /** The content type that is asked for. Default: lines of JSON. */
  readonly accept?: string
}

/** What one connection of a stream needs. */
export interface Connection extends LinesOptions {
  readonly gateway: string
  /** To be called once the gateway has answered. */
  readonly connected: () => void
}

/** Resolves when the headers are there, of 200 or 204. Rejects with the gateway's error, or GATEWAY_UNAVAILABLE. */
export async function openLines(
  gateway: string,
  path: string,
  { signal, quietMs, apiKey, accept = NDJSON }: LinesOptions,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const get = gateway.startsWith('https:') ? getSecure : getPlain
  const headers = { accept, 'content-type': 'application/json', ...authorization(apiKey) }
  const request = get(gateway + path, { headers, signal, agent: false }, resolve)
  const timer = setTimeout(
    () => request.destroy(new Error(`no answer within ${exactTime(quietMs)}`)),
    quietMs,
  )
  request.on('error', (cause) => reject(noGateway(gateway, cause)))
  const response = await promise.finally(() => clearTimeout(timer))
  if (response.statusCode === 200 || response.statusCode === 204) return response
  const text = await response
    .setEncoding('utf8')
    .toArray()
    .catch(() => [])
  throw refusal(response.statusCode ?? 0, text.join(''), gateway + path)
}

/** Each item; ends when the gateway ends the stream. Throws the error that the stream ended with. */
export async function* itemsOf(
  response: IncomingMessage,
  gateway: string,
  quietMs: number,
): AsyncGenerator<object> {
  let rest = ''
  for await (const chunk of chunksOf(response.setEncoding('utf8'), gateway, quietMs)) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line !== '') yield itemOf(line)
  }
}

/** The time counts only while a chunk is waited for: a reader may take as long as it likes. */
export async function* chunksOf(
  response: IncomingMessage,
  gateway: string,
  quietMs: number,
): AsyncGenerator<string> {
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<string>
  const quiet = () => response.destroy(new Error(`nothing came for ${exactTime(quietMs)}`))
  try {
    for (;;) {
      const timer = setTimeout(quiet, quietMs)
      const { done, value } = await chunks.next().finally(() => clearTimeout(timer))
      if (done === true) return
      yield value
    }
  } catch (cause) {
    throw brokenOff(gateway, cause)
  } finally {
    response.destroy()
  }
}

function itemOf(line: string): object {
  const item = JSON.parse(line) as object
  if (Object.keys(item).join() !== 'error') return item
  const { code, message } = (item as { error: { code: ErrorCode; message: string } }).error
  throw new FlotillaError(Object.hasOwn(errorTable, code) ? code : 'INTERNAL', message)
}
