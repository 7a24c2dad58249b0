// fetch for MCP servers: their addresses are the operator's choice, what they send is not.
//
// 1. Connecting ends after CONNECT_TIMEOUT_MS; how long an answer takes is the call's own limit.
// 2. An answer is read up to its limit, unpacked, and no further.
// 3. No stream is opened that belongs to no request: a GET is made only to continue one that broke off, while something
//    waits for its end, and not as often as a server may like.
import { setTimeout as pause } from 'node:timers/promises'
import { Agent, fetch as request } from 'undici'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { CONNECT_TIMEOUT_MS } from '../web/address-guard.ts'

const dispatcher = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS }, headersTimeout: 0, bodyTimeout: 0 })

/** Between the end of a stream and its continuation, at least. */
const CONTINUE_MS = 200

export interface FetchBounds {
  readonly maxBytes: number
  /** Name of the server. */
  readonly shown: string
  /** Whether a request waits for its answer. */
  readonly isAwaited: () => boolean
}

export function boundedFetch({ maxBytes, shown, isAwaited }: FetchBounds): typeof fetch {
  return async (input, init) => {
    const url = input instanceof Request ? input.url : input
    const { method = 'GET', body: sent, signal, redirect = 'manual' } = init ?? {}
    const headers = new Headers(init?.headers)
    if (method === 'GET' && isStream(headers)) {
      if (headers.has('last-event-id')) await pause(CONTINUE_MS, undefined, signal ? { signal } : {})
      if (!headers.has('last-event-id') || !isAwaited()) return new Response(null, { status: 405 })
    }
    const response = await request(url, {
      method,
      headers: [...headers],
      redirect,
      dispatcher,
      ...(sent !== undefined && sent !== null && { body: String(sent) }),
      ...(signal && { signal }),
    })
    const { status, statusText } = response
    const body = response.body?.pipeThrough(limit(maxBytes, shown)) ?? null
    // A stream of Node's is one of the web's; the two sets of types do not know each other.
    return new Response(NO_BODY.has(status) ? null : (body as ReadableStream | null), {
      status,
      statusText,
      headers: [...response.headers],
    })
  }
}

const NO_BODY = new Set([101, 103, 204, 205, 304])

const isStream = (headers: Headers): boolean => headers.get('accept')?.includes('text/event-stream') === true

function limit(maxBytes: number, shown: string): TransformStream<Uint8Array, Uint8Array> {
  let left = maxBytes
  return new TransformStream({
    transform(chunk, controller) {
      left -= chunk.byteLength
      if (left >= 0) return controller.enqueue(chunk)
      controller.error(tooLarge(shown, maxBytes))
    },
  })
}

const tooLarge = (shown: string, maxBytes: number): FlotillaError =>
  new FlotillaError(
    'TOOL_OUTPUT_TOO_LARGE',
    `${shown} sent more than ${maxBytes} bytes in one answer (mcpServers.${shown}.limits.maxBytes)`,
  )
