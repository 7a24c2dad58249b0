// Estimates of a request's tokens, if the provider reported no usage, or the call was stopped.
import type { ModelRequest } from './call.ts'

/** For English and code; close for scripts of two and three bytes a character, too. */
const BYTES_PER_TOKEN = 4

export function estimatedTokens(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN)
}

export function estimatedInputTokens(request: ModelRequest): number {
  return estimatedTokens(requestBytes(request))
}

/** A request is asked for its size some times, before it is sent and after. */
const sizes = new WeakMap<object, number>()

/** Bytes of a list as JSON. The list must not change afterwards. */
export function jsonBytes(list: readonly object[]): number {
  const bytes = sizes.get(list) ?? Buffer.byteLength(JSON.stringify(list))
  sizes.set(list, bytes)
  return bytes
}

/** Bytes of all text of a request that the model reads. */
export const requestBytes = ({ messages, tools = [] }: Pick<ModelRequest, 'messages' | 'tools'>): number =>
  jsonBytes(messages) + (tools.length > 0 ? jsonBytes(tools) : 0)

/** All text of a request that the model reads. */
export function textOf({ messages, tools = [] }: ModelRequest): string {
  return JSON.stringify(messages) + (tools.length > 0 ? JSON.stringify(tools) : '')
}
