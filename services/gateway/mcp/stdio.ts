import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio'
import type { Readable, Writable } from 'node:stream'
import type { McpFleet } from './fleet.ts'
import { createMcpServer } from './server.ts'

export interface StdioParts {
  readonly input: Readable
  readonly output: Writable
  /** Gets what a peer sent that can't be answered. */
  readonly onError: (error: Error) => void
}

export interface StdioServing {
  /** Resolves once every call has ended; those that still wait are aborted, and their tasks cancelled. */
  close(): Promise<void>
}

/** A longer message closes the connection. */
const MAX_MESSAGE_BYTES = 1_000_000

/** Serves the fleet to the one client at the other end of two pipes. */
export function serveOnStdio(fleet: McpFleet, { input, output, onError }: StdioParts): StdioServing {
  const running = new Set<Promise<unknown>>()
  const transport = new StdioServerTransport(input, output, { maxBufferSize: MAX_MESSAGE_BYTES })
  const serving = serveStdio(({ era }) => createMcpServer(fleet, era, running), {
    transport,
    onerror: onError,
  })
  return {
    close: async () => {
      await serving.close()
      await Promise.allSettled(running)
    },
  }
}
