// Requests to a sandbox server. Redirects are not followed: the token is for this server only.
import { Agent, request, type Dispatcher } from 'undici'
import { redacted } from '../../../../runtime/text/redaction.ts'

const PROTOCOL = 'flotilla-sandbox/1'

const CONNECT_MS = 10_000
const KEEP_ALIVE_MS = 60_000
/** Long enough for a cloud to start a container. */
const START_MS = 60_000
const SHORT_MS = 10_000
const MAX_REPLY_BYTES = 64_000

type Body = Dispatcher.ResponseData['body']
type Fields = { readonly [key: string]: unknown }

export interface StartedSession {
  readonly id: string
  /** With a load balancer, cookies identify the instance that has the session. */
  readonly cookie: string | null
}

export class SandboxServer {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #endings = new Set<Promise<void>>()
  // A step's own time limit ends a request that takes too long.
  readonly #dispatcher = new Agent({
    connect: { timeout: CONNECT_MS },
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: 0,
    bodyTimeout: 0,
  })

  constructor(url: string, token: string | undefined) {
    this.#url = url.replace(/\/+$/, '')
    this.#headers = token ? { authorization: `Bearer ${token}` } : {}
  }

  /** Rejects with the server's problem. */
  async check(memoryMb: number): Promise<void> {
    const reply = await this.#reply('GET', '/v1', { signal: AbortSignal.timeout(START_MS) })
    const { protocol, memoryMb: allowed } = await fieldsOf(reply)
    if (protocol !== PROTOCOL) throw new Error(`what answers there does not speak ${PROTOCOL}`)
    if (typeof allowed === 'number' && allowed > memoryMb)
      throw new Error(`its sessions may use ${allowed} MB, and limits.codeMemoryMb is ${memoryMb}`)
  }

  async start(memoryMb: number): Promise<StartedSession> {
    const body = JSON.stringify({ memoryMb })
    const reply = await this.#reply('POST', '/v1/sessions', { body, signal: AbortSignal.timeout(START_MS) })
    const { id } = await fieldsOf(reply)
    if (typeof id !== 'string' || !/^[\w-]{1,200}$/.test(id)) throw new Error('it gave a session no id')
    const cookies = [reply.headers['set-cookie'] ?? []].flat().map((cookie) => cookie.split(';', 1)[0])
    return { id, cookie: cookies.join('; ').slice(0, 4_000) || null }
  }

  /** The session's response to a frame; null if the session is gone. */
  async ask(session: StartedSession, frame: Buffer, signal: AbortSignal): Promise<Body | null> {
    const path = `/v1/sessions/${session.id}/frames`
    const reply = await this.#send('POST', path, { ...of(session), body: frame, signal })
    if (reply.statusCode === 200) return reply.body
    if (reply.statusCode !== 410) throw await refusal(reply)
    await reply.body.dump()
    return null
  }

  /** How a session's process ended: a signal's name or an exit code; null while it runs. */
  async endOf(session: StartedSession): Promise<string | null> {
    const signal = AbortSignal.timeout(SHORT_MS)
    const { state, how } = await fieldsOf(
      await this.#reply('GET', `/v1/sessions/${session.id}`, { ...of(session), signal }),
    )
    return state === 'ended' && typeof how === 'string' ? how.slice(0, 100) : null
  }

  /** Never rejects: if the server can't be reached, it ends the session by itself. */
  end(session: StartedSession): Promise<void> {
    const ending = this.#delete(session)
      .catch(() => {})
      .finally(() => this.#endings.delete(ending))
    this.#endings.add(ending)
    return ending
  }

  /** Resolves after every end was sent. */
  async close(): Promise<void> {
    await Promise.all(this.#endings)
  }

  async #delete(session: StartedSession): Promise<void> {
    const signal = AbortSignal.timeout(SHORT_MS)
    const reply = await this.#send('DELETE', `/v1/sessions/${session.id}`, { ...of(session), signal })
    await reply.body.dump()
  }

  async #reply(method: Dispatcher.HttpMethod, path: string, options: Sent) {
    const reply = await this.#send(method, path, options)
    if (reply.statusCode < 200 || reply.statusCode > 299) throw await refusal(reply)
    return reply
  }

  async #send(method: Dispatcher.HttpMethod, path: string, { cookie, body, signal }: Sent) {
    return await request(`${this.#url}${path}`, {
      dispatcher: this.#dispatcher,
      method,
      headers: {
        ...this.#headers,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(cookie && { cookie }),
      },
      body: body ?? null,
      signal,
    })
  }
}

interface Sent {
  readonly cookie?: string | null
  readonly body?: string | Buffer
  readonly signal: AbortSignal
}

const of = ({ cookie }: StartedSession) => ({ cookie })

async function refusal(reply: Dispatcher.ResponseData): Promise<Error> {
  const { error } = await fieldsOf(reply).catch((): Fields => ({}))
  const said = typeof error === 'string' ? `: ${redacted(error).slice(0, 300)}` : ''
  return new Error(`it answered with status ${reply.statusCode}${said}`)
}

/** A small JSON object. */
async function fieldsOf({ body }: Dispatcher.ResponseData): Promise<Fields> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_REPLY_BYTES) throw new Error('its answer is too long')
    chunks.push(chunk)
  }
  const value = parseJson(Buffer.concat(chunks).toString())
  if (typeof value !== 'object' || value === null) throw new Error('its answer is not a JSON object')
  return value as Fields
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
