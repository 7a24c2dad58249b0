// Who is let in. Every request of a process that serves the HTTP API passes here, before its body is read.
//
// 1. The API is closed once the fleet has a key (or had one), FLOTILLA_ADMIN_KEY, or the settings of a token issuer.
//    Until then it is open on loopback; on any other address the process does not start (FLOTILLA_API_ACCESS).
// 2. Once closed, each route but those that are `open` needs its scope; a route without a line is refused.
// 3. No log line, error or header repeats what a client sent as its credentials.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { routeScope } from '../../../api/route-scopes.ts'
import { allScopes, type Scope } from '../../../api/scopes.ts'
import { hasKeys, looksLikeKey, parseKey } from '../../../operator/direct/keys.ts'
import type { Environment } from '../../../runtime/config/environment.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import type { JwtDefinition, SignInDefinition } from '../../../runtime/config/gateway.ts'
import { isLoopback } from '../../../runtime/config/environment/transport.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Sql } from '../../../runtime/store/sql.ts'
import type { Log } from '../../../runtime/telemetry/instruments.ts'
import { Failures } from './failures.ts'
import { FRESH_MS, KeyChecks, unavailable } from './keys.ts'
import { OpenRequests, type StillGood } from './open-requests.ts'
import { requireScope, setPrincipal, type Principal } from './principal.ts'
import { metadataParameter } from './resource.ts'
import type { SignIn } from './sign-in.ts'
import type { TokenChecks } from './tokens.ts'

export interface AccessParts {
  readonly environment: Environment
  readonly fleet: Pick<Fleet, 'gateway'>
  readonly sql: Sql
  readonly logger: Log
}

/** Who it is, and whether that still holds later. */
interface LetIn {
  readonly principal: Principal
  readonly isStillGood: StillGood
}

const WARN_EVERY_MS = 60_000
const AGAIN_MS = 5_000

const admin: Principal = {
  name: 'admin',
  credential: 'key of FLOTILLA_ADMIN_KEY',
  madeBy: [],
  userId: null,
  scopes: new Set(allScopes),
  agents: null,
}
const now = (): number => performance.now()

/** Rejects with CONFIG_INVALID if the API may not start. */
export async function guardAccess(app: FastifyInstance, parts: AccessParts): Promise<Access> {
  const { jwt } = parts.fleet.gateway ?? {}
  // Its library is loaded only where tokens are used.
  const tokens = jwt ? new (await import('./tokens.ts')).TokenChecks(jwt) : null
  const access = new Access(
    parts,
    tokens,
    tokens && jwt?.signIn ? await signInOf(jwt, jwt.signIn, tokens) : null,
  )
  await access.start()
  app.addHook('onRequest', (request, reply) => access.admit(request, reply))
  app.addHook('onClose', async () => access.close())
  return access
}

async function signInOf(jwt: JwtDefinition, signIn: SignInDefinition, tokens: TokenChecks): Promise<SignIn> {
  const { SignIn: Made } = await import('./sign-in.ts')
  return new Made({ ...jwt, signIn }, tokens, now)
}

export class Access {
  readonly #parts: AccessParts
  readonly #keys: KeyChecks
  readonly #tokens: TokenChecks | null
  /** Null: the console asks for a key or a token. */
  readonly signIn: SignIn | null
  readonly #adminHash: Buffer | null
  readonly #failures = new Failures(now)
  readonly #open = new OpenRequests(now)
  #isClosed: boolean
  #warnedAtMs = Number.NEGATIVE_INFINITY
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #looking: Promise<void> | null = null

  constructor(parts: AccessParts, tokens: TokenChecks | null, signIn: SignIn | null = null) {
    this.signIn = signIn
    const { environment, sql, logger } = parts
    const { adminKey, access } = environment.http
    this.#parts = parts
    this.#keys = new KeyChecks({ sql, logger, now })
    this.#tokens = tokens
    this.#adminHash = adminKey === null ? null : hashOf(adminKey)
    this.#isClosed = access === 'closed' || this.#adminHash !== null || this.#tokens !== null
  }

  async start(): Promise<void> {
    const { environment, sql, logger } = this.#parts
    const { host, http } = environment
    const hasOther = this.#adminHash !== null || this.#tokens !== null
    const isEmpty = !hasOther && !(await hasKeys(sql))
    this.#isClosed ||= !isEmpty
    if (this.#isClosed && isEmpty) logger.warn(noKeyYet(environment))
    if (this.#isClosed) return
    if (!isLoopback(host) && http.access !== 'open') throw mustBeClosed(host)
    const who = isLoopback(host) ? 'every program on this machine' : `everyone who reaches ${host}`
    logger.warn(
      `the HTTP API is open to ${who}: nothing is refused until there is a key (flotilla keys create)`,
    )
  }

  close(): void {
    this.#open.close()
  }

  /** After a revocation here: this gateway does not wait for its memory of the key to expire. */
  forget(keyId: string): void {
    this.#keys.forget(keyId)
  }

  async admit(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { url } = request.routeOptions
    // Whatever does not exist is answered 404 to everyone.
    if (url === undefined) return
    const scope = routeScope(request.method, url)
    if (scope === 'open') return
    // A stream that began while the API was open ends when it is closed.
    if (!(await this.#closed())) return this.#open.add(reply.raw, async () => !(await this.#closed()))
    const { principal, isStillGood } = await this.#letIn(request, reply)
    setPrincipal(request, principal)
    if (scope === undefined)
      throw new FlotillaError('INTERNAL', `no scope is known for ${request.method} ${url}`)
    if (scope !== 'any') this.#requireScope(principal, scope, reply)
    this.#open.add(reply.raw, isStillGood)
  }

  #requireScope(principal: Principal, scope: Scope, reply: FastifyReply): void {
    try {
      requireScope(principal, scope)
    } catch (error) {
      this.#challenge(reply, `error="insufficient_scope", scope="${scope}"`)
      throw error
    }
  }

  /** An open API is closed within FRESH_MS of its first key. If the database is away, it stays as it is. */
  async #closed(): Promise<boolean> {
    if (this.#isClosed) return true
    if (now() - this.#lookedAtMs >= FRESH_MS) await (this.#looking ??= this.#look())
    return this.#isClosed
  }

  async #look(): Promise<void> {
    const atMs = now()
    try {
      this.#isClosed = await hasKeys(this.#parts.sql)
    } catch (error) {
      this.#parts.logger.debug({ err: error }, 'failed to look for the first key; the API stays open')
    } finally {
      this.#lookedAtMs = atMs
      this.#looking = null
    }
  }

  async #letIn({ headers, ip }: FastifyRequest, reply: FastifyReply): Promise<LetIn> {
    const { authorization } = headers
    if (authorization === undefined) {
      this.#challenge(reply)
      throw new FlotillaError('UNAUTHENTICATED', 'this route needs a key: send authorization: Bearer flk_…')
    }
    const [, credentials] = /^bearer +(\S+) *$/i.exec(authorization) ?? []
    const found =
      credentials === undefined
        ? 'the authorization header is not Bearer and a key'
        : await this.#check(credentials, ip).catch((error: unknown) => this.#unchecked(error))
    if (typeof found !== 'string') return found
    this.#refuseFrom(ip)
    this.#failures.count(ip)
    this.#parts.logger.warn(
      { address: ip, reason: found },
      'a request was refused: its credentials are wrong',
    )
    this.#challenge(reply, 'error="invalid_token"')
    throw new FlotillaError('UNAUTHENTICATED', found)
  }

  /** A client that is not let in yet learns nothing of the servers behind: that is in the log, once a minute. */
  #unchecked(error: unknown): never {
    const code = error instanceof FlotillaError ? error.code : null
    if (code !== 'STORE_UNAVAILABLE' && code !== 'ISSUER_UNAVAILABLE') throw error
    if (now() - this.#warnedAtMs >= WARN_EVERY_MS) {
      this.#warnedAtMs = now()
      this.#parts.logger.warn({ err: error }, 'failed to check credentials; such requests are refused')
    }
    const what = code === 'STORE_UNAVAILABLE' ? 'the database' : 'the issuer of tokens'
    const message = `credentials can't be checked now, because ${what} does not answer; the log of the gateway says why`
    throw new FlotillaError(code, message, { cause: error, retryAfterMs: AGAIN_MS })
  }

  /** Resolves with the reason if the credentials are wrong. */
  async #check(credentials: string, address: string): Promise<LetIn | string> {
    if (this.#adminHash && timingSafeEqual(this.#adminHash, hashOf(credentials)))
      return { principal: admin, isStillGood: () => Promise.resolve(true) }
    if (looksLikeKey(credentials)) return this.#checkKey(credentials, address)
    if (this.#tokens === null) return 'the credentials are not a key of this fleet'
    const checked = await this.#tokens.check(credentials)
    if ('problem' in checked) return checked.problem
    const { principal, expiresAtMs = 0 } = checked
    return { principal, isStillGood: async () => Date.now() < expiresAtMs }
  }

  async #checkKey(text: string, address: string): Promise<LetIn | string> {
    const key = parseKey(text)
    if (key === null) return 'the key is incomplete: copy all of it, as flotilla keys create printed it'
    // A wrong client must not lock out others at the same address.
    if (!this.#keys.isRemembered(key) && this.#failures.refusedForMs(address) !== null)
      if (!this.#failures.mayLook()) this.#refuseFrom(address)
    const checked = await this.#keys.check(key).catch(unavailable)
    if ('problem' in checked) return checked.problem
    const { principal } = checked
    return { principal, isStillGood: async () => 'principal' in (await this.#keys.check(key)) }
  }

  #challenge(reply: FastifyReply, more?: string): void {
    const metadata = metadataParameter(this.#parts.fleet.gateway ?? {}, reply.request)
    const parameters = ['realm="flotilla"', more, metadata].filter((each) => each != null)
    reply.header('www-authenticate', `Bearer ${parameters.join(', ')}`)
  }

  /** Throws TOO_MANY_ATTEMPTS. */
  #refuseFrom(address: string): void {
    this.#failures.assertFew(address, 'wrong keys or tokens')
  }
}

const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest()

/** The data file of a running fleet is its own: no command can put the first key there. */
function noKeyYet({ databaseUrl }: Environment): string {
  const how = databaseUrl === null ? 'stop this process, then: ' : ''
  return `every request of the HTTP API is refused, because there is no key yet (${how}flotilla keys create)`
}

function mustBeClosed(host: string): FlotillaError {
  return new FlotillaError(
    'CONFIG_INVALID',
    `the HTTP API would be open to everyone who reaches ${host}, because there is no key yet. ` +
      'Make one with: flotilla keys create admin --role admin. Or set FLOTILLA_ADMIN_KEY, gateway.jwt in ' +
      'flotilla.config.ts, or FLOTILLA_API_ACCESS=closed to start first and make the key then; ' +
      'FLOTILLA_API_ACCESS=open starts all the same',
  )
}
