// Connections to MCP servers: one for each server, or for each of its users, opened by the first call that needs it.
//
// 1. Before a call the tool is known to be the pinned one: its server's list was read when the connection was
//    opened, or at most checkMs ago, and the server has not said since that it has changed. Another one is
//    refused with MCP_TOOL_CHANGED, counted and logged; nothing else that a server lists has an effect.
// 2. A connection that has ended is opened again by the next call. A request is repeated on a new one, once, only
//    if the server said that it did not process it (session forgotten, credentials too old). The old one is retired: the
//    calls that are under way on it get their own answers, and the last of them closes it.
// 3. At most `users` connections of a server are open: the one that was used longest ago, and is idle, goes.
import { systemClock } from '../../../../runtime/clock.ts'
import type { McpServer } from '../../../../runtime/config/mcp/servers.ts'
import type { PinnedMcpServer } from '../../../../runtime/config/mcp/tools.ts'
import {
  pinHash,
  type DescribedTool,
  type PinnedServer,
  type PinnedTool,
} from '../../../../runtime/config/mcp/lock.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { Instruments } from '../../../../runtime/telemetry/instruments.ts'
import { credentialsFor, type CredentialParts } from './credentials.ts'
import { needsNewLink, openLink, type Link, type ListedTool } from './link.ts'
import { changedParts, describedTool } from './pins.ts'

export interface PoolParts extends CredentialParts {
  readonly instruments: Pick<Instruments, 'log' | 'count'>
  readonly clock?: { now(): number }
}

interface Connection {
  readonly link: Link
  listed: ReadonlyMap<string, ListedTool>
  listedMs: number
  inUse: number
}

export class ServerPool {
  readonly server: McpServer
  readonly #pinned: PinnedServer
  readonly #parts: PoolParts
  readonly #clock: { now(): number }
  /** By user; '' for all. In order of use. */
  readonly #connections = new Map<string, Promise<Connection>>()
  /** Connections that get no more calls, and are in use. */
  readonly #retired = new Set<Connection>()
  readonly #reported = new Set<string>()
  readonly #closing = new AbortController()

  constructor(server: PinnedMcpServer, parts: PoolParts) {
    this.server = server
    this.#pinned = server.pinned
    this.#parts = { ...parts, renewals: new Map() }
    this.#clock = parts.clock ?? systemClock
  }

  /** `tool`: name on the server, which must be as it is pinned; null for requests that are about no tool. */
  async use<T>(
    { tool, userId, signal }: { tool: string | null; userId: string | null; signal: AbortSignal },
    work: (link: Link, listed: ListedTool | null) => Promise<T>,
  ): Promise<T> {
    for (let tries = 0; ; tries++) {
      const connection = await this.#connection(userId, signal)
      connection.inUse++
      try {
        const listed = tool === null ? null : await this.#pinnedTool(connection, tool, signal)
        return await work(connection.link, listed)
      } catch (error) {
        if (!needsNewLink(error) || tries > 0) throw error
        this.#retired.add(connection)
      } finally {
        connection.inUse--
        if (connection.inUse === 0 && this.#retired.delete(connection)) await connection.link.close()
      }
    }
  }

  /** Connects, and compares every pinned tool. Rejects with the first problem. */
  async check(signal: AbortSignal): Promise<void> {
    const connection = await this.#connection(null, signal)
    for (const name of Object.keys(this.#pinned.tools)) await this.#pinnedTool(connection, name, signal)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const open = [...this.#connections.values(), ...this.#retired]
    this.#connections.clear()
    await Promise.all(
      open.map(async (opening) => (await Promise.resolve(opening).catch(() => null))?.link.close()),
    )
  }

  async #connection(userId: string | null, signal: AbortSignal): Promise<Connection> {
    const user = this.server.perUser === undefined ? '' : (userId ?? '')
    const known = this.#connections.get(user)
    const found =
      known &&
      (await until(
        signal,
        known.catch(() => null),
      ))
    if (found?.link.isOpen && !this.#retired.has(found)) {
      this.#connections.delete(user)
      this.#connections.set(user, known as Promise<Connection>)
      return found
    }
    // Somebody else may have begun meanwhile.
    const begun = this.#connections.get(user)
    const opening = begun !== undefined && begun !== known ? begun : this.#open(user, userId)
    return await until(signal, opening)
  }

  #open(user: string, userId: string | null): Promise<Connection> {
    const opening = this.#opened(userId)
    this.#connections.set(user, opening)
    opening.catch(() => {
      if (this.#connections.get(user) === opening) this.#connections.delete(user)
    })
    return opening
  }

  /** Callers share it, so that the signal of none ends it. */
  async #opened(userId: string | null): Promise<Connection> {
    await this.#makeRoom()
    const { signal } = this.#closing
    const credentials = await credentialsFor(this.server, userId, this.#parts)
    const link = await openLink(this.server, credentials, { protocol: this.#pinned.protocol, signal })
    const connection = { link, listed: new Map<string, ListedTool>(), listedMs: 0, inUse: 0 }
    try {
      await this.#list(connection, signal)
      return connection
    } catch (error) {
      await link.close()
      throw error
    }
  }

  async #makeRoom(): Promise<void> {
    for (const [user, opening] of this.#connections) {
      if (this.#connections.size < this.server.limits.users) return
      const connection = await opening.catch(() => null)
      if (connection === null || connection.inUse > 0) continue
      this.#connections.delete(user)
      await connection.link.close()
    }
  }

  async #list(connection: Connection, signal: AbortSignal): Promise<void> {
    const tools = await connection.link.list(signal)
    connection.listed = new Map(tools.map((tool) => [tool.name, tool]))
    connection.listedMs = this.#clock.now()
  }

  async #pinnedTool(connection: Connection, name: string, signal: AbortSignal): Promise<ListedTool> {
    const isOld = this.#clock.now() - connection.listedMs >= this.server.limits.checkMs
    if (isOld || connection.link.toolsChanged) await this.#list(connection, signal)
    const listed = connection.listed.get(name)
    const pinned = Object.hasOwn(this.#pinned.tools, name) ? this.#pinned.tools[name] : undefined
    if (pinned === undefined) throw new FlotillaError('INTERNAL', `${this.server.name}.${name} is not pinned`)
    const described = listed && describedTool(listed)
    if (listed && described && pinHash(name, described) === pinned.hash) return listed
    throw this.#changed(name, pinned, described)
  }

  #changed(name: string, pinned: PinnedTool, described: DescribedTool | undefined): FlotillaError {
    const { name: server } = this.server
    const how = described === undefined ? 'it is gone' : `other ${changedParts(pinned, described).join(', ')}`
    const { log, count } = this.#parts.instruments
    count('mcp_tools_changed', 1, { server, tool: name })
    const seen = described === undefined ? name : pinHash(name, described)
    if (!this.#reported.has(seen))
      log.error({ server, tool: name, how }, 'an MCP server changed a pinned tool; its calls are refused')
    this.#reported.add(seen)
    return new FlotillaError(
      'MCP_TOOL_CHANGED',
      `${server}.${name} is not the tool that flotilla.mcp-lock.json pins: ${how}; it was not called`,
    )
  }
}

async function until<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  try {
    signal.throwIfAborted()
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
