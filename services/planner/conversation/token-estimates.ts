// Estimates of a request's tokens, if the provider reported no usage, or the call was stopped.
import { jsonBytes, jsonOf } from '../../../runtime/json/written.ts'
import type { ModelRequest } from '../call.ts'

/** For English and code; close for scripts of two and three bytes a character, too. */
const BYTES_PER_TOKEN = 4

export function estimatedTokens(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN)
}

export function estimatedInputTokens(request: ModelRequest): number {
  return estimatedTokens(requestBytes(request))
}

/** Bytes of all text of a request that the model reads. */
export const requestBytes = ({ messages, tools = [] }: Pick<ModelRequest, 'messages' | 'tools'>): number =>
  jsonBytes(messages) + (tools.length > 0 ? jsonBytes(tools) : 0)

/** All text of a request that the model reads. */
export function textOf({ messages, tools = [] }: ModelRequest): string {
  return jsonOf(messages) + (tools.length > 0 ? jsonOf(tools) : '')
}
