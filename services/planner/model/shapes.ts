// Reading JSON that somebody else shaped: what is not of the expected kind reads as nothing.

export type Shape = Readonly<Record<string, unknown>>

export const shapeOf = (value: unknown): Shape =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Shape) : {}

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

export const countOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.round(value) : null

/** The first that is a text with something in it. */
export const firstText = (...values: unknown[]): string =>
  values.map(textOf).find((text) => text !== '') ?? ''

export function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
