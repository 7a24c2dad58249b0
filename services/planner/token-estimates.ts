// What a request was billed with, about, where the provider has not said so: it reports no usage, or the call was stopped.
import type { ModelRequest } from './call.ts'

/** English and code; near it for scripts of two and three bytes a character, too. */
const BYTES_PER_TOKEN = 4

export function estimatedTokens(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN)
}

export function estimatedInputTokens(request: ModelRequest): number {
  return estimatedTokens(Buffer.byteLength(textOf(request)))
}

/** What a request gives the model to read. */
export function textOf({ messages, tools = [] }: ModelRequest): string {
  return JSON.stringify(messages) + (tools.length > 0 ? JSON.stringify(tools) : '')
}
