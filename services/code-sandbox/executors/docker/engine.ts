// The part of Docker's HTTP API that the executor needs: of the engine at DOCKER_HOST, or at this machine's socket.
//
// 1. Paths name no version: the engine answers in its own, and what is used here is older than any of them.
// 2. An attached stream is the connection itself after the engine has switched protocols. Both outputs share it, in
//    frames with a header of eight bytes: which output, three zeros, the length.
import { readFileSync } from 'node:fs'
import { request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { json as jsonOf } from 'node:stream/consumers'

export type EngineAddress =
  | { readonly socketPath: string }
  | {
      readonly protocol: 'http:' | 'https:'
      readonly host: string
      readonly port: number
      readonly ca?: Buffer
      readonly cert?: Buffer
      readonly key?: Buffer
    }

const LOCAL_SOCKET = '/var/run/docker.sock'
const HTTP_PORT = 2375
const HTTPS_PORT = 2376

type Variables = Readonly<Record<string, string | undefined>>

/** As the docker command reads DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH. Throws what it can't use. */
export function engineAddress(variables: Variables): EngineAddress {
  const given = variables['DOCKER_HOST']?.trim() ?? ''
  if (given === '') return { socketPath: LOCAL_SOCKET }
  if (given.startsWith('unix://')) return { socketPath: given.slice('unix://'.length) || LOCAL_SOCKET }
  if (given.startsWith('ssh://'))
    throw new Error('DOCKER_HOST over ssh:// is not supported; forward its socket with ssh -L and name that')
  const url = URL.canParse(given) ? new URL(given) : null
  if (url === null || !['tcp:', 'http:', 'https:'].includes(url.protocol) || url.hostname === '')
    throw new Error(`DOCKER_HOST must be unix:///PATH, tcp://HOST:PORT or https://HOST:PORT, not "${given}"`)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const isSecure = url.protocol === 'https:' || Boolean(variables['DOCKER_TLS_VERIFY'])
  if (!isSecure) return { protocol: 'http:', host, port: Number(url.port) || HTTP_PORT }
  return { protocol: 'https:', host, port: Number(url.port) || HTTPS_PORT, ...certificates(variables) }
}

function certificates({ DOCKER_CERT_PATH: directory }: Variables) {
  if (!directory) return {}
  const read = (name: string): Buffer => readFileSync(join(directory, name))
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') }
}

/** A refusal of the engine. */
export class EngineRefusal extends Error {
  readonly statusCode: number

  constructor(statusCode: number, message: string) {
    super(`(HTTP code ${statusCode}) ${message}`)
    this.statusCode = statusCode
  }
}

export class Engine {
  readonly #address: EngineAddress

  constructor(address: EngineAddress) {
    this.#address = address
  }

  /** The body of the answer; null if it has none. Rejects with EngineRefusal, or what broke the connection. */
  async call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const request = this.#request(method, path, body === undefined ? {} : JSON_BODY)
    request.on('response', resolve).on('error', reject)
    request.end(body === undefined ? undefined : JSON.stringify(body))
    const response = await promise
    if ((response.statusCode ?? 0) >= 400) throw await refusalOf(response)
    if (response.statusCode === 204) {
      response.resume()
      return null
    }
    return jsonOf(response)
  }

  /** The connection of an attached container: its input, and its outputs in frames. */
  async attach(path: string): Promise<Duplex> {
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>()
    const request = this.#request('POST', path, { connection: 'Upgrade', upgrade: 'tcp' })
    request.on('error', reject)
    request.on('upgrade', (_, socket: Duplex, head: Buffer) => {
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    request.on('response', (response) => {
      void refusalOf(response).then(reject, reject)
    })
    request.end()
    return promise
  }

  #request(method: string, path: string, headers: Record<string, string>): ClientRequest {
    const options = { ...this.#address, method, path, headers: { host: 'docker', ...headers } }
    const isSecure = 'protocol' in this.#address && this.#address.protocol === 'https:'
    return isSecure ? requestHttps(options) : requestHttp(options)
  }
}

const JSON_BODY = { 'content-type': 'application/json' }

async function refusalOf(response: IncomingMessage): Promise<EngineRefusal> {
  const { statusCode = 0, statusMessage = '' } = response
  const body = await jsonOf(response).catch(() => null)
  const message = typeof body === 'object' && body !== null ? Reflect.get(body, 'message') : null
  return new EngineRefusal(statusCode, typeof message === 'string' ? message : statusMessage)
}

const HEADER_BYTES = 8
const STDERR = 2

export interface Outputs {
  out(bytes: Buffer): void
  errors(bytes: Buffer): void
}

/** Takes apart what an attached connection sends; each part of a frame is handed on as it arrives. */
export function splitOutputs({ out, errors }: Outputs): (chunk: Buffer) => void {
  let header = Buffer.alloc(0)
  let left = 0
  let to = out
  return (chunk) => {
    for (let at = 0; at < chunk.length;) {
      if (left === 0) {
        const wanted = HEADER_BYTES - header.length
        header = Buffer.concat([header, chunk.subarray(at, at + wanted)])
        at += wanted
        if (header.length < HEADER_BYTES) return
        to = header[0] === STDERR ? errors : out
        left = header.readUInt32BE(4)
        header = Buffer.alloc(0)
        continue
      }
      const part = chunk.subarray(at, at + left)
      to(part)
      at += part.length
      left -= part.length
    }
  }
}
