import { serveStdio } from '@modelcontextprotocol/server/stdio'
import type { McpFleet } from './fleet.ts'
import { createMcpServer } from './server.ts'

export interface StdioOptions {
  /** Notified of what a peer sent that can't be answered. */
  readonly onError: (error: Error) => void
}

/** Serves the fleet on this process's stdin and stdout. */
export function serveOnStdio(fleet: McpFleet, { onError }: StdioOptions): { close(): Promise<void> } {
  return serveStdio(({ era }) => createMcpServer(fleet, era), { onerror: onError })
}
