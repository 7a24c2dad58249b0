// Conditions on the cells of a table.
//
// 1. A number is compared with the number that a cell stands for ("1,200.50", "$5"), text with text, ignoring
//    case only for `contains`. Letters are equal in any Unicode composition (é), blanks of any width.
// 2. A cell without a value equals null, and otherwise meets only `!=`.
// 3. A cell that can't be compared is neither less nor more: it is undecided, which is counted and reported.
// 4. Dates are compared if both are written in a form that sorts (2024-05-01), and times with their zones. Other
//    forms are not guessed at: 1/2/2024 is two days.
import type { Json } from '../../../../schemas/json.ts'
import type { Column } from './columns.ts'

export const operators = ['=', '!=', '<', '<=', '>', '>=', 'contains', 'in'] as const

export interface Condition {
  readonly field: string
  readonly op: (typeof operators)[number]
  readonly value: string | number | boolean | null | (string | number)[]
}

/** Null if the cell can't be compared with the value. */
export function holds({ op, value }: Condition, cell: Json, column: Column): boolean | null {
  const is = (wanted: Json) => same(cell, wanted, column)
  switch (op) {
    case '=':
      return is(value)
    case '!=':
      return !is(value)
    case 'in':
      return Array.isArray(value) ? value.some(is) : is(value)
    case 'contains':
      return contains(cell, value, column)
    default:
      return compareOrder(op, cell, value, column)
  }
}

const isNothing = (cell: Json): boolean => cell === null || cell === ''

function same(cell: Json, wanted: Json, column: Column): boolean {
  if (wanted === null) return cell === null || (cell === '' && column.isText)
  if (cell === null) return false
  const [actual, expected] = [textOf(cell), textOf(wanted)]
  if (actual === expected) return true
  if (typeof wanted === 'boolean') return actual.toLowerCase() === expected
  return meansNumber(wanted, column) && compareNumbers(cell, wanted, column) === 0
}

/**
 * Whether a value is compared as a number: "1.1" is, if that would change no cell (a version 1.10), or if all
 * are prices.
 */
function meansNumber(wanted: Json, column: Column): boolean {
  if (typeof wanted === 'number') return true
  return column.type === 'number' || column.isDecorated
}

/** Normalised to NFC, so that é equals é; blanks around the text and their widths are not seen by anybody. */
function textOf(value: Json): string {
  const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
  return text.normalize().replaceAll(WIDE_BLANKS, ' ').trim()
}

const WIDE_BLANKS = /[\u00a0\u2007\u202f]/g

const contains = (cell: Json, wanted: Json, column: Column): boolean =>
  Array.isArray(cell)
    ? cell.some((one) => same(one, wanted, column))
    : cell !== null && textOf(cell).toLowerCase().includes(textOf(wanted).toLowerCase())

function compareOrder(op: '<' | '<=' | '>' | '>=', cell: Json, wanted: Json, column: Column): boolean | null {
  if (isNothing(cell)) return false
  const sign = compare(cell, wanted, column)
  if (sign === null) return null
  if (op === '<') return sign < 0
  if (op === '<=') return sign <= 0
  return op === '>' ? sign > 0 : sign >= 0
}

/** Compares as numbers if the value is one and the column has some, else as text (which sorts ISO dates). */
function compare(cell: Json, wanted: Json, column: Column): number | null {
  const isScalar = (value: Json) => typeof value === 'string' || typeof value === 'number'
  if (!isScalar(cell) || !isScalar(wanted)) return null
  const wantsNumber = typeof wanted === 'number' || (column.isNumeric && column.number(wanted) !== null)
  if (wantsNumber) return compareNumbers(cell, wanted, column)
  if (column.isNumeric) return null
  return compareTexts(textOf(cell), textOf(wanted))
}

function compareTexts(cell: string, wanted: string): number | null {
  const [a, b] = [dateForm(cell), dateForm(wanted)]
  if (a === 'zoned' && b === 'zoned') return Date.parse(cell) - Date.parse(wanted)
  const isComparable = a !== 'other' && b !== 'other' && markOf(a) === markOf(b)
  if (!isComparable) return null
  return cell < wanted ? -1 : Number(cell > wanted)
}

const markOf = (form: ReturnType<typeof dateForm>) => (form === 'zoned' ? '-' : form)

/** The mark of a form that sorts: year, month, day with leading zeros. Null: no date. */
function dateForm(text: string): 'zoned' | '-' | '/' | '.' | 'other' | null {
  if (!/^\d/.test(text) || text.length > 40) return null
  if (/^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)$/.test(text) && !Number.isNaN(Date.parse(text)))
    return 'zoned'
  const mark = /^\d{4}([-/.])\d\d(?:\1\d\d(?:[T ].*)?)?$/.exec(text)?.[1]
  if (mark === '-' || mark === '/' || mark === '.') return mark
  return /^\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?:[T ,].*)?$/.test(text) ? 'other' : null
}

/** Null if one is not a number. Digits beyond a double's precision are compared one by one. */
function compareNumbers(cell: Json, wanted: Json, column: Column): number | null {
  if (isLong(cell) || isLong(wanted)) {
    const [a, b] = [wholeOf(cell), wholeOf(wanted)]
    if (a !== null && b !== null) return a < b ? -1 : Number(a > b)
  }
  const [a, b] = [column.number(cell), plainNumber(wanted) ?? column.number(wanted)]
  return a === null || b === null ? null : a - b
}

/** Models write numbers as programs do, whatever the file's decimal mark. */
const plainNumber = (wanted: Json): number | null =>
  typeof wanted === 'string' && /^-?\d+(\.\d+)?$/.test(wanted) ? Number(wanted) : null

const isLong = (value: Json): boolean => typeof value === 'string' && /\d{16}/.test(value)

const wholeOf = (value: Json): bigint | null =>
  (typeof value === 'string' && /^-?\d+$/.test(value)) || Number.isInteger(value)
    ? BigInt(value as string)
    : null
