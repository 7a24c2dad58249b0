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

/**
 * A request is asked for its size some times, before it is sent and after, and is sent as this text; the tools of most
 * requests are the same list.
 */
const written = new WeakMap<object, Written>()

interface Written {
  readonly json: string
  readonly bytes: number
  /** Entries of the list then: one that has grown is written again. */
  readonly length: number
}

function writtenAs(list: readonly object[]): Written {
  const known = written.get(list)
  if (known?.length === list.length) return known
  const json = JSON.stringify(list)
  const made = { json, bytes: Buffer.byteLength(json), length: list.length }
  written.set(list, made)
  return made
}

/** A list as JSON. Its entries must not change afterwards. */
export const jsonOf = (list: readonly object[]): string => writtenAs(list).json

/** Bytes of a list as JSON. Its entries must not change afterwards. */
export const jsonBytes = (list: readonly object[]): number => writtenAs(list).bytes

/** Bytes of all text of a request that the model reads. */
export const requestBytes = ({ messages, tools = [] }: Pick<ModelRequest, 'messages' | 'tools'>): number =>
  jsonBytes(messages) + (tools.length > 0 ? jsonBytes(tools) : 0)

/** All text of a request that the model reads. */
export function textOf({ messages, tools = [] }: ModelRequest): string {
  return jsonOf(messages) + (tools.length > 0 ? jsonOf(tools) : '')
}
