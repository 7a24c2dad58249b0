// A tool's result as JSON, within its limit.
//
// 1. A huge result costs no more than the limit: it is measured, and refused, before it is serialised.
// 2. Nothing is lost in silence. What JSON.stringify would leave out or make null or {} has its own form
//    (plain-values.ts), or is refused.
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import { plural } from '../../runtime/text/quantities.ts'
import type { Json } from '../../schemas/json.ts'
import { isOrdinary, plainForm } from './plain-values.ts'

/** Deeper values are refused; JSON.stringify would overflow the stack on them. */
const MAX_DEPTH = 500

/**
 * The JSON text of a tool's result; undefined becomes null. Throws TOOL_OUTPUT_TOO_LARGE or
 * TOOL_OUTPUT_INVALID.
 */
export function jsonOutput(tool: string, value: unknown, maxBytes: number): { text: string; output: Json } {
  const tooLarge = () =>
    new FlotillaError(
      'TOOL_OUTPUT_TOO_LARGE',
      `${tool} returned more than its limit of ${plural(maxBytes, 'byte')} (maxOutputBytes)`,
    )
  const measured = new Measure(maxBytes, tooLarge)
  try {
    measured.value(value ?? null, 0)
    const text = JSON.stringify(value ?? null, measured.isOrdinary ? undefined : inPlainForm) as
      string | undefined
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

/** JSON.stringify has called toJSON before; the holder has the value itself. */
function inPlainForm(this: unknown, name: string, value: unknown): unknown {
  return plainForm((this as Record<string, unknown>)[name], value)
}

/** Spends at least a byte for each part of a value, and never more than its JSON text has. */
class Measure {
  #left: number
  readonly #tooLarge: () => Error
  /** JSON.stringify alone says everything that the value holds. */
  isOrdinary = true

  constructor(maxBytes: number, tooLarge: () => Error) {
    this.#left = maxBytes
    this.#tooLarge = tooLarge
  }

  value(value: unknown, depth: number): void {
    if (!isOrdinary(value)) this.isOrdinary = false
    if (typeof value === 'string') return this.#spend(value.length + 2)
    if (typeof value !== 'object' || value === null) return this.#spend(isLeftOut(value) ? 0 : 1)
    if (depth > MAX_DEPTH)
      throw new TypeError(`it is nested more than ${MAX_DEPTH} deep, or refers to itself`)
    if (ArrayBuffer.isView(value)) return this.#spend('length' in value ? Number(value.length) : 1)
    if ('toJSON' in value) {
      this.isOrdinary &&= value instanceof Date
      return
    }
    this.#spend(1)
    if (Array.isArray(value) || value instanceof Set || value instanceof Map) return this.#items(value, depth)
    for (const name in value) {
      const property = (value as Record<string, unknown>)[name]
      if (isLeftOut(property) || !Object.hasOwn(value, name)) continue
      this.#spend(name.length + 3)
      this.value(property, depth + 1)
    }
  }

  #items(items: Iterable<unknown>, depth: number): void {
    for (const item of items) {
      this.#spend(1)
      this.value(item, depth + 1)
    }
  }

  #spend(bytes: number): void {
    this.#left -= bytes
    if (this.#left < 0) throw this.#tooLarge()
  }
}

/** JSON leaves such properties out. */
const isLeftOut = (value: unknown): boolean => ['undefined', 'function', 'symbol'].includes(typeof value)
