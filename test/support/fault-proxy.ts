// A proxy in front of a gateway that is slow, fails, refuses or cuts connections as a test says: the browser, the page
// and the gateway behind it are real.
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export interface Fault {
  /** Paths of this beginning. Default: every path of the API. */
  readonly path?: string
  /** But not this one. */
  readonly spares?: string
  readonly method?: string
  /** Waits before it passes the request on. */
  readonly delayMs?: number
  /** Waits for `letGo` before it passes the request on. */
  readonly holds?: boolean
  /** Answers with this status in place of the gateway. */
  readonly status?: number
  /** The answer is a page, as of an ingress before a gateway that it can't find. */
  readonly isPage?: boolean
  /** The request reaches the gateway; its answer is never sent, and the connection ends. */
  readonly losesAnswer?: boolean
}

export interface FaultProxy extends Disposable {
  readonly url: string
  /** Until it is set again; null: none. */
  set(fault: Fault | null): void
  /** Passes on what it holds; later requests are held again. */
  letGo(): void
  /** Ends every connection, streams too. */
  cut(): void
  /** Requests that it has passed on or answered, as `METHOD path`. */
  readonly seen: string[]
}

const codes: Readonly<Record<number, string>> = {
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  500: 'INTERNAL',
  503: 'STORE_UNAVAILABLE',
}

export async function startFaultProxy(gateway: string): Promise<FaultProxy> {
  let fault: Fault | null = null
  let gate = Promise.withResolvers<void>()
  const seen: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    const { method = 'GET', url = '/' } = request
    seen.push(`${method} ${url.split('?')[0]}`)
    const isMeant = fault !== null && isFor(fault, method, url)
    const until = isMeant && fault?.holds ? gate.promise : undefined
    void serve(gateway, request, response, { fault: isMeant ? fault : null, until })
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => sockets.forEach((socket) => socket.destroy())
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set: (next) => (fault = next),
    letGo: () => {
      gate.resolve()
      gate = Promise.withResolvers<void>()
    },
    cut,
    seen,
    [Symbol.dispose]: () => {
      server.close()
      cut()
    },
  }
}

const isApi = (url: string): boolean => url.startsWith('/v1/') || url.startsWith('/ready')
const isFor = ({ path, spares, method }: Fault, asked: string, url: string): boolean =>
  (path === undefined ? isApi(url) : url.startsWith(path)) &&
  (method === undefined || method === asked) &&
  url !== spares

async function serve(
  gateway: string,
  request: IncomingMessage,
  response: ServerResponse,
  { fault, until }: { fault: Fault | null; until: Promise<void> | undefined },
): Promise<void> {
  const { delayMs = 0, status, isPage = false, losesAnswer = false } = fault ?? {}
  await until
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
  if (status !== undefined) {
    request.resume()
    if (isPage) {
      response.writeHead(status, { 'content-type': 'text/html' })
      return void response.end('<h1>default backend</h1>')
    }
    const error = { code: codes[status] ?? 'INTERNAL', message: `a fault of the test: ${status}`, remedy: '' }
    response.writeHead(status, { 'content-type': 'application/json' })
    return void response.end(JSON.stringify({ error }))
  }
  const { hostname, port } = new URL(gateway)
  const { method, url: path, headers } = request
  const passed = ask({ hostname, port, method, path, headers }, (answer) => {
    if (losesAnswer) {
      answer.resume()
      return void answer.on('end', () => request.socket.destroy())
    }
    response.writeHead(answer.statusCode ?? 500, answer.headers)
    answer.pipe(response)
    answer.on('error', () => response.destroy())
  })
  passed.on('error', () => response.destroy())
  response.on('close', () => passed.destroy())
  request.pipe(passed)
}
