import { z } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { Tool } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Json } from '../../../schemas/json.ts'
import { defaultDataDirectory, readRows, type Row } from './data-files.ts'

const DEFAULT_ROWS = 100
const MAX_ROWS = 10_000

const condition = z.object({
  field: z.string(),
  op: z.enum(['=', '!=', '<', '<=', '>', '>=', 'contains', 'in']).default('='),
  value: z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.union([z.string(), z.number()]))]),
})
type Condition = z.infer<typeof condition>

/** `query_table(file, where, columns, limit)`: rows of a CSV or JSON file under the data directory. */
export function queryTable(options: { directory?: string } = {}): Tool {
  return defineTool({
    name: 'query_table',
    description:
      'Returns the rows of a CSV, TSV or JSON file that meet every condition, and how many met them in all.',
    input: z.object({
      file: z.string().describe('path within the data directory, e.g. orders.csv'),
      where: z.array(condition).default([]).describe('conditions that all must hold'),
      columns: z.array(z.string()).default([]).describe('columns to return; default: all'),
      limit: z.int().min(1).max(MAX_ROWS).default(DEFAULT_ROWS).describe('most rows to return'),
    }),
    output: z.object({ rows: z.array(z.record(z.string(), z.unknown())), matched: z.int() }),
    idempotent: true,
    cacheScope: 'shared',
    reads: 'private',
    run: async ({ file, where, columns, limit }) => {
      const rows = await readRows(options.directory ?? defaultDataDirectory(), file)
      assertColumns(file, rows, [...columns, ...where.map(({ field }) => field)])
      const matches = rows.filter((row) => where.every((one) => holds(one, row[one.field] ?? null)))
      return { rows: matches.slice(0, limit).map((row) => picked(row, columns)), matched: matches.length }
    },
  })
}

/** A misspelt column would silently match nothing. */
function assertColumns(file: string, rows: readonly Row[], asked: readonly string[]): void {
  if (rows.length === 0 || asked.length === 0) return
  const known = new Set(rows.flatMap((row) => Object.keys(row)))
  const missing = asked.filter((column) => !known.has(column))
  if (missing.length === 0) return
  const columns = [...known].join(', ')
  throw new FlotillaError(
    'TOOL_ARGUMENTS_INVALID',
    `${file} has no column ${missing.join(', ')}; its columns are: ${columns}`,
  )
}

function picked(row: Row, columns: readonly string[]): Row {
  return columns.length === 0
    ? row
    : Object.fromEntries(columns.map((column) => [column, row[column] ?? null]))
}

function holds({ op, value }: Condition, actual: Json): boolean {
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
