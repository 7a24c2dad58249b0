// A tool's result as JSON, within its limit.
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import type { Json } from '../../schemas/json.ts'

/** Deeper values are refused; JSON.stringify would overflow the stack on them. */
const MAX_DEPTH = 500

/**
 * The JSON text of a tool's result; undefined becomes null. Throws TOOL_OUTPUT_TOO_LARGE or
 * TOOL_OUTPUT_INVALID. A huge result costs no more than the limit: it is measured, and refused, before it is
 * serialised.
 */
export function jsonOutput(tool: string, value: unknown, maxBytes: number): { text: string; output: Json } {
  const tooLarge = () =>
    new FlotillaError('TOOL_OUTPUT_TOO_LARGE', `${tool} returned more than its limit of ${maxBytes} bytes`)
  let left = maxBytes
  const spend = (bytes: number) => {
    left -= bytes
    if (left < 0) throw tooLarge()
  }
  try {
    measure(value ?? null, spend, 0)
    const text = JSON.stringify(value ?? null) as string | undefined
    if (text === undefined) throw new TypeError(`a ${typeof value} is not JSON`)
    if (Buffer.byteLength(text) > maxBytes) throw tooLarge()
    return { text, output: JSON.parse(text) as Json }
  } catch (error) {
    if (error instanceof FlotillaError) throw error
    const reason = messageOf(error)
    throw new FlotillaError('TOOL_OUTPUT_INVALID', `${tool} returned something that is not JSON: ${reason}`, {
      cause: error,
    })
  }
}

/** Spends at least a byte for each part of the value, and never more than its JSON text has. */
function measure(value: unknown, spend: (bytes: number) => void, depth: number): void {
  if (typeof value === 'string') return spend(value.length + 2)
  if (typeof value !== 'object' || value === null) return spend(isLeftOut(value) ? 0 : 1)
  if (depth > MAX_DEPTH) throw new TypeError(`it is nested more than ${MAX_DEPTH} deep, or refers to itself`)
  if (ArrayBuffer.isView(value)) return spend(2 * value.byteLength)
  if ('toJSON' in value) return
  spend(1)
  if (Array.isArray(value)) return measureItems(value, spend, depth)
  for (const name in value) {
    const property = (value as Record<string, unknown>)[name]
    if (isLeftOut(property) || !Object.hasOwn(value, name)) continue
    spend(name.length + 3)
    measure(property, spend, depth + 1)
  }
}

function measureItems(items: readonly unknown[], spend: (bytes: number) => void, depth: number): void {
  for (const item of items) {
    spend(1)
    measure(item, spend, depth + 1)
  }
}

/** JSON leaves such properties out. */
const isLeftOut = (value: unknown): boolean => ['undefined', 'function', 'symbol'].includes(typeof value)
