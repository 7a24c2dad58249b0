// Reads foreign JSON: a value of an unexpected kind reads as empty.

export type Shape = Readonly<Record<string, unknown>>

export const shapeOf = (value: unknown): Shape =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Shape) : {}

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** A whole number from zero; some servers write theirs as text. */
export function countOf(value: unknown): number | null {
  const number = typeof value === 'string' && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) && number >= 0 ? Math.round(number) : null
}

/** A list, or the single entry that some servers send in place of a list of one. */
export function entriesOf(value: unknown): readonly Shape[] {
  if (Array.isArray(value)) return value.map(shapeOf).filter(hasFields)
  const entry = shapeOf(value)
  return hasFields(entry) ? [entry] : none
}

const none: readonly Shape[] = []

export function hasFields(entry: object): boolean {
  for (const _ in entry) return true
  return false
}

/** The first non-empty text. */
export function firstText(...values: unknown[]): string {
  for (const value of values) if (typeof value === 'string' && value !== '') return value
  return ''
}
