// A query of a table: the rows that meet every condition, and notes that help a model to refine it.
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { Json } from '../../../../schemas/json.ts'
import type { Column, ColumnInfo } from './columns.ts'
import { counted, shown, type Table } from './table.ts'
import { holds, type Condition } from './table-conditions.ts'

/** Longest result of a query, as JSON: the limit of a tool's result. Characters. */
const MAX_RESULT_CHARS = 1_000_000
/** Columns described at most, if all columns are asked for. */
const MAX_DESCRIBED = 200

export interface Query {
  readonly where: readonly Condition[]
  /** Empty: all. */
  readonly columns: readonly string[]
  readonly limit: number
}

export interface Found {
  readonly rows: { [column: string]: Json }[]
  /** How many rows met the conditions in all. */
  readonly matched: number
  /** How many rows the table has. */
  readonly total: number
  /** Columns that were asked for or compared. */
  readonly columns: ColumnInfo[]
  readonly notes: string[]
}

interface Test {
  readonly condition: Condition
  readonly column: Column
  readonly at: number
  /** Rows that could not be compared, and the first such cell. */
  undecided: number
  example: Json
}

type Cells = readonly (Json | undefined)[]

const REMEDY = 'ask for fewer rows or columns'

export async function query(table: Table, { where, columns, limit }: Query, file: string): Promise<Found> {
  const places = placesOf(table, [...columns, ...where.map(({ field }) => field)], file)
  const at = (name: string) => places.get(name) ?? -1
  const tests = where.map((condition) => testOf(table, condition, at(condition.field)))
  const picked = columns.map(at)
  const found = new Rows((cells) =>
    picked.length > 0 ? choose(table, cells, picked) : wholeRow(table, cells),
  )
  await table.each((cells) => {
    if (meets(tests, cells)) found.add(cells, limit)
  })
  const { rows, matched } = found
  const described =
    picked.length > 0 ? [...picked, ...tests.map((test) => test.at)] : [...table.columns.keys()]
  const infos = [...new Set(described)]
    .slice(0, MAX_DESCRIBED)
    .flatMap((place) => table.columns[place]?.info(table.total) ?? [])
  const notes = [...table.notes, ...notesOn(table, tests, matched)]
  return bounded({ rows, matched, total: table.total, columns: infos, notes }, REMEDY)
}

class Rows {
  readonly rows: Found['rows'] = []
  matched = 0
  #chars = 0
  readonly #form: (cells: Cells) => { [column: string]: Json }

  constructor(form: (cells: Cells) => { [column: string]: Json }) {
    this.#form = form
  }

  /** Throws TOOL_OUTPUT_TOO_LARGE before the rows take more memory than can be returned. */
  add(cells: Cells, limit: number): void {
    this.matched += 1
    if (this.rows.length >= limit) return
    const row = this.#form(cells)
    this.#chars += JSON.stringify(row).length
    if (this.#chars > MAX_RESULT_CHARS) throw tooLarge(`more than ${MAX_RESULT_CHARS}`, REMEDY)
    this.rows.push(row)
  }
}

function testOf(table: Table, condition: Condition, at: number): Test {
  const column = table.columns[at]
  if (!column) throw new FlotillaError('INTERNAL', `there is no column at ${at}`)
  return { condition, column, at, undecided: 0, example: null }
}

/** A row that fails no condition but can't be compared is counted for the undecided conditions. */
function meets(tests: readonly Test[], cells: Cells): boolean {
  const undecided: Test[] = []
  for (const test of tests) {
    const is = holds(test.condition, cells[test.at] ?? null, test.column)
    if (is === false) return false
    if (is === null) undecided.push(test)
  }
  for (const test of undecided) {
    if (test.undecided++ === 0) test.example = cells[test.at] ?? null
  }
  return undecided.length === 0
}

const choose = ({ columns }: Table, cells: Cells, places: readonly number[]) =>
  Object.fromEntries(
    places.flatMap((at) => (columns[at] ? [[columns[at].name, columns[at].value(cells[at])]] : [])),
  )

/** A JSON row simply lacks a cell; a CSV row is short, and its missing cells are empty. */
const wholeRow = ({ columns }: Table, cells: Cells) =>
  Object.fromEntries(
    columns.flatMap((column, at) => {
      const cell = cells[at] ?? (column.isText ? '' : cells[at])
      return cell === undefined ? [] : [[column.name, column.value(cell)]]
    }),
  )

/** The only column whose name differs in blanks and capitals alone; null if none or several. */
function similar(columns: Table['columns'], name: string): number | null {
  const plain = (text: string) => text.normalize('NFKC').replaceAll(/\s+/g, ' ').trim().toLowerCase()
  const found = columns.flatMap((column, at) => (plain(column.name) === plain(name) ? [at] : []))
  return found.length === 1 ? (found[0] ?? null) : null
}

/** Throws TOOL_ARGUMENTS_INVALID for a misspelt column, which would silently match nothing. */
function placesOf({ columns }: Table, asked: readonly string[], file: string): Map<string, number> {
  const places = new Map(columns.map(({ name }, at) => [name, at]))
  for (const name of asked) {
    const at = places.get(name) ?? similar(columns, name)
    if (at !== null) places.set(name, at)
  }
  const missing = asked.filter((name) => !places.has(name))
  if (missing.length === 0 || columns.length === 0) return places
  const names = columns.slice(0, MAX_DESCRIBED).map(({ name }) => name)
  throw new FlotillaError(
    'TOOL_ARGUMENTS_INVALID',
    `${file} has no column ${missing.join(', ')}; its columns are: ${names.join(', ')}`,
  )
}

function notesOn({ total }: Table, tests: readonly Test[], matched: number): string[] {
  if (total === 0) return ['the table has no rows']
  const notes = tests.flatMap(undecidedNote)
  if (matched === 0)
    for (const { condition, column } of tests) {
      const examples = [...column.examples].join(' | ') || 'none'
      notes.push(`no row matched; values of ${condition.field} are such as: ${shown(examples)}`)
    }
  return notes
}

function undecidedNote({ condition, undecided, example }: Test): string[] {
  if (undecided === 0) return []
  const rows = counted(undecided, 'row is', 'rows are')
  const cell = shown(JSON.stringify(example))
  const { field, op, value } = condition
  return [
    `${rows} neither in nor out: ${field} ${op} ${JSON.stringify(value)} can't be decided for cells such as ${cell}`,
  ]
}

export function bounded<T>(result: T, remedy: string): T {
  const { length } = JSON.stringify(result)
  if (length <= MAX_RESULT_CHARS) return result
  throw tooLarge(String(length), remedy)
}

const tooLarge = (chars: string, remedy: string) =>
  new FlotillaError(
    'TOOL_OUTPUT_TOO_LARGE',
    `the result has ${chars} characters, at most ${MAX_RESULT_CHARS} are returned; ${remedy}`,
  )
