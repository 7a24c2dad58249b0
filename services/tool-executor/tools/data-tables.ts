// Reads and queries data files, in a thread (parsing.ts). What was read last is kept, for as long as the file is the same.
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs'
import { extname } from 'node:path'
import { parse } from 'csv-parse/sync'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Json } from '../../../schemas/json.ts'
import type { FileToParse } from './parsing.ts'
import { holds, type Condition } from './table-conditions.ts'

/** Bytes of the files whose contents are kept. */
const KEPT_BYTES = 10_000_000
/** Characters of what a query answers, as JSON: what a tool may return. */
const MAX_RESULT_CHARS = 1_000_000
/** Names shown where a step of a path leads nowhere. */
const LISTED_NAMES = 30

export type Row = { [column: string]: Json }

export interface Query {
  readonly where: readonly Condition[]
  /** Empty: all. */
  readonly columns: readonly string[]
  readonly limit: number
}

export interface Rows {
  readonly rows: Row[]
  /** How many met the conditions in all. */
  readonly matched: number
}

/** Rows of a CSV or TSV file with a header line, or of a JSON file that holds a list of objects. Numbers in CSV become numbers. */
export function queryRows({ query, ...file }: FileToParse & { query: Query }): Rows {
  const { where, columns, limit } = query
  const rows = kept(file, 'rows', (text) => rowsIn(text, file.file))
  assertColumns(file.file, rows, [...columns, ...where.map(({ field }) => field)])
  const matches = rows.filter((row) => where.every((one) => holds(one, row[one.field] ?? null)))
  const shown = matches.slice(0, limit).map((row) => picked(row, columns))
  return bounded({ rows: shown, matched: matches.length }, 'ask for fewer rows or columns')
}

export function jsonValue({ steps, ...file }: FileToParse & { steps: readonly string[] }): Json {
  const whole = kept(file, 'json', (text) => parseJson(text, file.file))
  const value = steps.reduce((at, step, index) => into(at, step, steps.slice(0, index), file.file), whole)
  return bounded(value, 'name a path to a part of it')
}

function bounded<T>(result: T, remedy: string): T {
  const { length } = JSON.stringify(result)
  if (length <= MAX_RESULT_CHARS) return result
  throw new FlotillaError(
    'TOOL_OUTPUT_TOO_LARGE',
    `the result has ${length} characters, at most ${MAX_RESULT_CHARS} are returned; ${remedy}`,
  )
}

interface Kept {
  readonly stats: Pick<Stats, 'mtimeMs' | 'size' | 'ino'>
  readonly value: unknown
}

/** The longest unused first. */
const contents = new Map<string, Kept>()

function kept<T>(file: FileToParse, form: 'rows' | 'json', read: (text: string) => T): T {
  const key = `${form} ${file.path}`
  const { stats, text } = opened(file, contents.get(key))
  const known = contents.get(key)
  contents.delete(key)
  if (text === null && known) {
    contents.set(key, known)
    return known.value as T
  }
  // Before it is parsed: both together may be more than the thread has.
  forgetDownTo(KEPT_BYTES - stats.size)
  const value = read(text ?? '')
  if (stats.size <= KEPT_BYTES) contents.set(key, { stats, value })
  return value
}

function forgetDownTo(bytes: number): void {
  let size = [...contents.values()].reduce((sum, { stats }) => sum + stats.size, 0)
  for (const [key, { stats }] of contents) {
    if (size <= bytes) return
    contents.delete(key)
    size -= stats.size
  }
}

/** The text is null where what is known is still so. The file's kind is asked of what was opened: a pipe would be read for ever. */
function opened(
  { path, file, maxBytes }: FileToParse,
  known: Kept | undefined,
): { stats: Stats; text: string | null } {
  const fail = (why: string, cause?: unknown) =>
    new FlotillaError('TOOL_FAILED', `${file} can't be read: ${why}`, { cause })
  let descriptor: number | null = null
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stats = fstatSync(descriptor)
    if (!stats.isFile()) throw fail('it is not a file')
    const { mtimeMs, size, ino } = stats
    if (size > maxBytes)
      throw fail(`it has ${size} bytes, more than the limit of ${maxBytes} (maxFileBytes of the tool)`)
    const isKnown = known?.stats.mtimeMs === mtimeMs && known.stats.size === size && known.stats.ino === ino
    return { stats, text: isKnown ? null : readFileSync(descriptor, 'utf8') }
  } catch (error) {
    throw error instanceof FlotillaError ? error : fail((error as Error).message, error)
  } finally {
    if (descriptor !== null) closeSync(descriptor)
  }
}

function parseJson(text: string, file: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new FlotillaError('TOOL_FAILED', `${file} is not JSON: ${(cause as Error).message}`, { cause })
  }
}

function rowsIn(text: string, file: string): Row[] {
  switch (extname(file).toLowerCase()) {
    case '.csv':
      return parseCsv(text, file, ',')
    case '.tsv':
      return parseCsv(text, file, '\t')
    case '.json':
      return rowsOf(parseJson(text, file), file)
    default:
      throw new FlotillaError(
        'TOOL_FAILED',
        `${file} is not a table: its name must end in .csv, .tsv or .json`,
      )
  }
}

function rowsOf(value: Json, file: string): Row[] {
  const isRow = (row: Json): row is Row => typeof row === 'object' && row !== null && !Array.isArray(row)
  if (Array.isArray(value) && value.every(isRow)) return value
  throw new FlotillaError('TOOL_FAILED', `${file} is not a table: it must hold a list of objects`)
}

function parseCsv(text: string, file: string, delimiter: string): Row[] {
  try {
    return parse(text, {
      delimiter,
      columns: true,
      bom: true,
      skip_empty_lines: true,
      trim: true,
      cast: (value, { header }) => (header ? value : cell(value)),
    }) as unknown as Row[]
  } catch (cause) {
    throw new FlotillaError('TOOL_FAILED', `${file} can't be read as CSV: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** A number where it reads back the same, so that 007 and long ids stay text. */
function cell(value: string): string | number {
  const number = Number(value)
  return value !== '' && Number.isFinite(number) && /^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(value)
    ? number
    : value
}

/** A misspelt column would silently match nothing. */
function assertColumns(file: string, rows: readonly Row[], asked: readonly string[]): void {
  if (rows.length === 0 || asked.length === 0) return
  const known = new Set<string>()
  for (const row of rows) for (const column in row) known.add(column)
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

function into(value: Json, step: string, before: readonly string[], file: string): Json {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, step)) {
    return (value as { [name: string]: Json })[step] ?? null
  }
  const at = before.length === 0 ? file : `${file} at ${before.join('.')}`
  throw new FlotillaError('TOOL_ARGUMENTS_INVALID', `${at} has no ${step}; it has ${partsOf(value)}`)
}

function partsOf(value: Json): string {
  if (Array.isArray(value)) return `${value.length} items`
  if (typeof value !== 'object' || value === null)
    return `no parts (it is ${value === null ? 'null' : `a ${typeof value}`})`
  return Object.keys(value).slice(0, LISTED_NAMES).join(', ') || 'nothing'
}
