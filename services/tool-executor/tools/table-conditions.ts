// Conditions on the rows of a table.
import type { Json } from '../../../schemas/json.ts'

export const operators = ['=', '!=', '<', '<=', '>', '>=', 'contains', 'in'] as const

export interface Condition {
  readonly field: string
  readonly op: (typeof operators)[number]
  readonly value: string | number | boolean | null | (string | number)[]
}

export function holds({ op, value }: Condition, actual: Json): boolean {
  switch (op) {
    case '=':
      return same(actual, value)
    case '!=':
      return !same(actual, value)
    case 'in':
      return Array.isArray(value) && value.some((one) => same(actual, one))
    case 'contains':
      return contains(actual, value)
    default:
      return Array.isArray(value) ? false : ordered(op, actual, value)
  }
}

/** Models write '5' for 5: compared as text where the types differ. */
const same = (a: Json, b: Json): boolean => a === b || (a !== null && b !== null && String(a) === String(b))

const contains = (actual: Json, value: Json): boolean =>
  Array.isArray(actual)
    ? actual.some((one) => same(one, value))
    : actual !== null && String(actual).toLowerCase().includes(String(value).toLowerCase())

function ordered(op: '<' | '<=' | '>' | '>=', a: Json, b: Json): boolean {
  if (a === null || b === null) return false
  const sign = compare(a, b)
  if (op === '<') return sign < 0
  if (op === '<=') return sign <= 0
  return op === '>' ? sign > 0 : sign >= 0
}

/** As numbers where both are, else as text (ISO dates sort so). NaN where there is no order. */
function compare(a: Json, b: Json): number {
  const numbers = [Number(a), Number(b)] as const
  if (a !== '' && b !== '' && numbers.every(Number.isFinite)) return numbers[0] - numbers[1]
  if (typeof a === 'number' || typeof b === 'number') return NaN
  return String(a) < String(b) ? -1 : Number(String(a) > String(b))
}
