// Values of JavaScript that JSON has no place for, in the form that their reader expects: the one that answers
// of Python and data files have, too.
//
// A number that JSON does not have is its word; an integer beyond 2^53 is its digits, as text; a Map is an
// object, a Set and a typed array are lists; an error is its name and message. What has no data of its own
// that could be shown (a response, a promise that nobody awaited) is refused with what to return instead.

type Named = Readonly<Record<string, unknown>>

/** Whether JSON.stringify, without help, says what the value itself holds. */
export function isOrdinary(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return typeof value !== 'bigint'
  if (value instanceof Date) return !Number.isNaN(value.getTime())
  if (Array.isArray(value)) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

/** `json`: the value after its own toJSON. */
export function plainForm(value: unknown, json: unknown): unknown {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : json
  if (typeof json === 'number') return Number.isFinite(json) ? json : String(json)
  if (typeof json === 'bigint') return Number.isSafeInteger(Number(json)) ? Number(json) : String(json)
  return isOrdinary(json) || typeof json !== 'object' || json === null ? json : ofClass(json)
}

function ofClass(value: object): unknown {
  if (value instanceof Map) return mapForm(value)
  if (value instanceof Set) return [...(value as Set<unknown>)]
  if (ArrayBuffer.isView(value) && Symbol.iterator in value) return [...(value as Uint8Array)]
  if (value instanceof Error)
    return { name: value.name, message: value.message, ...(value as unknown as Named) }
  if (value instanceof String || value instanceof Number || value instanceof Boolean) return value
  if (Object.keys(value).length > 0) return value
  throw new TypeError(`${described(value)} has no data in JSON; ${remedyFor(value)}`)
}

/** Keys of other kinds could be the same text. */
function mapForm(value: ReadonlyMap<unknown, unknown>): unknown {
  const entries = [...value]
  return entries.every(([name]) => typeof name === 'string') ? Object.fromEntries(entries) : entries
}

function described(value: object): string {
  const { constructor } = value as { constructor?: unknown }
  return `an object of class ${typeof constructor === 'function' && constructor.name !== '' ? constructor.name : '(unnamed)'}`
}

function remedyFor(value: object): string {
  if (value instanceof Promise) return 'await it'
  if (value instanceof Response) return 'return what it holds, for example await response.json()'
  if (value instanceof ArrayBuffer || value instanceof Blob)
    return 'return text, for example Buffer.from(bytes).toString("base64")'
  return Symbol.iterator in value ? 'return a list: [...value]' : 'return its fields as a plain object'
}
