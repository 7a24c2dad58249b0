// JSON as a table: a list of objects, or objects line by line.
import { parseExact } from '../../../../runtime/json/exact.ts'
import { isDeeperThan, MAX_JSON_DEPTH } from '../../../../runtime/json/depth.ts'
import { mayRepeatNames, withNamesKept } from '../../../../runtime/json/names.ts'
import { withoutSlips } from '../../../../runtime/json/slips.ts'
import type { Json } from '../../../../schemas/json.ts'
import { Column } from './columns.ts'
import type { OpenFile } from './open-file.ts'
import { assertColumnCount, counted, shown, type Table } from './table.ts'

type Row = { readonly [name: string]: Json }

const isRow = (row: Json): row is Row => typeof row === 'object' && row !== null && !Array.isArray(row)

/** Names of the columns, and their positions. */
class Columns {
  readonly list: Column[] = []
  readonly #places = new Map<string, number>()
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  add(row: Row): void {
    for (const [name, cell] of Object.entries(row)) {
      let at = this.#places.get(name)
      if (at === undefined) {
        at = this.list.length
        assertColumnCount(this.#file, at + 1)
        this.#places.set(name, at)
        this.list.push(new Column(name, false))
      }
      this.list[at]?.add(cell)
    }
  }

  /** The row's cells in the order of the columns. */
  cells(row: Row): (Json | undefined)[] {
    return this.list.map(({ name }) => (Object.hasOwn(row, name) ? row[name] : undefined))
  }
}

/** Null if the value is not a list with objects. Other items are left out, counted and reported. */
export function tableOfList(value: Json, file: string): Table | null {
  if (!Array.isArray(value)) return null
  const rows = value.filter(isRow)
  if (rows.length === 0 && value.length > 0) return null
  const columns = new Columns(file)
  for (const row of rows) columns.add(row)
  const others = value.length - rows.length
  const example = shown(JSON.stringify(value.find((item) => !isRow(item)) ?? null))
  const notes = [`${counted(others, 'item is', 'items are')} no object and left out, e.g. ${example}`]
  return {
    ...{ columns: columns.list, total: rows.length, notes: others > 0 ? notes : [] },
    each(visit) {
      for (const row of rows) visit(columns.cells(row))
      return Promise.resolve()
    },
  }
}

/** Lines that are not objects are left out, counted and reported. */
export class LinesProfile {
  readonly columns: Columns
  readonly encoding: string
  total = 0
  readonly notes: string[] = []

  constructor(open: OpenFile, namedEncoding: string | null) {
    this.encoding = open.encoding(namedEncoding).encoding
    this.columns = new Columns(open.name)
    const bad = { count: 0, first: '' }
    for (const line of lines(open, this.encoding)) {
      const row = rowIn(line)
      if (row === null) {
        bad.count += 1
        bad.first ||= shown(line)
      } else {
        this.total += 1
        this.columns.add(row)
      }
    }
    if (bad.count > 0)
      this.notes.push(
        `${counted(bad.count, 'line is', 'lines are')} no JSON object and left out, e.g. ${bad.first}`,
      )
  }
}

export const tableOfLines = (open: OpenFile, { columns, encoding, total, notes }: LinesProfile): Table => ({
  ...{ columns: columns.list, total, notes },
  each(visit) {
    for (const line of lines(open, encoding)) {
      const row = rowIn(line)
      if (row !== null) visit(columns.cells(row))
    }
    open.assertUnchanged()
    return Promise.resolve()
  },
})

/** A line may end with the comma of a list. */
function rowIn(line: string): Row | null {
  const value = jsonIn(line.trim().replace(/,$/, ''))
  return value !== undefined && isRow(value) && !isDeeperThan(value, MAX_JSON_DEPTH) ? value : null
}

/** Whether the text, the beginning of a file, is a list, or objects line by line. */
export function formOf(beginning: string): 'list' | 'lines' | 'other' {
  const [first = '', second] = beginning.split('\n').filter((line) => line.trim() !== '')
  if (first.trimStart().startsWith('[')) return 'list'
  return rowIn(first) !== null && second?.trimStart().startsWith('{') === true ? 'lines' : 'other'
}

/**
 * JSON, also with NaN or control characters; a number that JSON does not have is its word, a second value for a
 * name gets a name of its own, as a second column does. Else undefined.
 */
export function jsonIn(text: string): Json | undefined {
  for (const form of [() => text, () => withoutSlips(text, (found) => JSON.stringify(found))])
    try {
      return parseKeeping(form())
    } catch {
      // Not JSON in this form.
    }
  return undefined
}

/** Throws SyntaxError if the text is not JSON. */
export function parseKeeping(json: string): Json {
  const value = parseExact(json)
  const kept = mayRepeatNames(json, value) ? withNamesKept(json) : json
  return kept === json ? value : parseExact(kept)
}

/** Longest line of a file. Characters. */
const MAX_LINE_CHARS = 10_000_000

/** The lines, without empty ones. A long one comes in many parts, which are joined once. */
function* lines(open: OpenFile, encoding: string): Generator<string> {
  let parts: string[] = []
  let length = 0
  for (const text of open.text(encoding)) {
    const [first = '', ...others] = text.split('\n')
    parts.push(first)
    length += first.length
    if (length > MAX_LINE_CHARS) throw open.unreadable(`a line has more than ${MAX_LINE_CHARS} characters`)
    const last = others.pop()
    if (last === undefined) continue
    for (const line of [parts.join(''), ...others]) if (line.trim() !== '') yield line
    parts = [last]
    length = last.length
  }
  const rest = parts.join('')
  if (rest.trim() !== '') yield rest
}
