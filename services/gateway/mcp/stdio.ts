import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio'
import type { Readable, Writable } from 'node:stream'
import type { McpFleet } from './fleet.ts'
import { createMcpServer } from './server.ts'
import { StdioLines } from './stdio-lines.ts'

export interface StdioParts {
  readonly input: Readable
  readonly output: Writable
  /** Gets what a peer sent that can't be answered. */
  readonly onError: (error: Error) => void
}

export interface StdioServing {
  /**
   * Resolves once nothing is answered any more: null after the end of the input, or why the connection was closed before (a
   * message that is too long, an output that nobody reads).
   */
  readonly over: Promise<Error | null>
  /** Resolves once every call has ended; those that still wait are aborted, and their tasks cancelled. */
  close(): Promise<void>
}

/** The package must not refuse a line first: lines are bounded before it (stdio-lines.ts). */
const MAX_KEPT_BYTES = 20_000_000

class Connection extends StdioServerTransport {
  readonly #closed = Promise.withResolvers<void>()
  readonly closed = this.#closed.promise

  override async close(): Promise<void> {
    await super.close()
    this.#closed.resolve()
  }
}

/** Serves the fleet to the one client at the other end of two pipes. */
export function serveOnStdio(fleet: McpFleet, { input, output, onError }: StdioParts): StdioServing {
  const running = new Set<Promise<unknown>>()
  const lines = new StdioLines({
    answer: (message) => void output.write(`${JSON.stringify(message)}\n`),
    report: onError,
  })
  const transport = new Connection(lines, output, { maxBufferSize: MAX_KEPT_BYTES })
  let problem: Error | null = null
  const onerror = (error: Error): void => {
    problem = error
    onError(error)
  }
  lines.once('error', (error) => {
    onerror(error)
    void transport.close()
  })
  input.pipe(lines)
  const serving = serveStdio(({ era }) => createMcpServer(fleet, era, running), { transport, onerror })
  return {
    over: transport.closed.then(() => (input.readableEnded || input.destroyed ? null : problem)),
    close: async () => {
      await serving.close()
      await Promise.allSettled(running)
    },
  }
}
