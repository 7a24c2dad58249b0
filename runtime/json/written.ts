// Lists that are written as JSON more than once: to be measured, hashed and sent.

interface Written {
  readonly json: string
  readonly bytes: number
  /** Entries of the list then. */
  readonly length: number
}

const written = new WeakMap<object, Written>()

function writtenAs(list: readonly object[]): Written {
  const known = written.get(list)
  // One that has grown is written again.
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

function knownJson(list: readonly unknown[]): string | undefined {
  const known = written.get(list)
  return known?.length === list.length ? known.json : undefined
}

/** As JSON.stringify writes it, with the text of those of its lists that were written before. */
export function jsonWithWritten(value: object): string {
  const parts: string[] = []
  for (const name of Object.keys(value)) {
    const field: unknown = (value as Record<string, unknown>)[name]
    const json = (Array.isArray(field) ? knownJson(field) : undefined) ?? JSON.stringify(field)
    // A field that JSON leaves out: undefined.
    if (json !== undefined) parts.push(`${JSON.stringify(name)}:${json}`)
  }
  return `{${parts.join(',')}}`
}
