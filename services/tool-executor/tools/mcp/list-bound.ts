// What a server may list in all: each page is bounded by itself, and there may be many.
import type { McpServer } from '../../../../runtime/config/mcp/servers.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'

const MAX_TOOLS = 5_000

export class ListBound {
  readonly #server: McpServer
  readonly #exceeded = new AbortController()
  #tools = 0
  #bytes = 0

  constructor(server: McpServer) {
    this.#server = server
  }

  /** Aborts once a bound is exceeded, with TOOL_OUTPUT_TOO_LARGE. */
  get signal(): AbortSignal {
    return this.#exceeded.signal
  }

  /** Tools of the next page; false if they exceed a bound. */
  add(tools: readonly unknown[]): boolean {
    const { name, limits } = this.#server
    this.#tools += tools.length
    this.#bytes += Buffer.byteLength(JSON.stringify(tools))
    if (this.#tools > MAX_TOOLS) this.#refuse(`${MAX_TOOLS} tools`)
    else if (this.#bytes > limits.maxBytes)
      this.#refuse(`${limits.maxBytes} bytes of tools (mcpServers.${name}.limits.maxBytes)`)
    return !this.signal.aborted
  }

  #refuse(bound: string): void {
    const message = `MCP server ${this.#server.name} lists more than ${bound}`
    this.#exceeded.abort(new FlotillaError('TOOL_OUTPUT_TOO_LARGE', message))
  }
}
