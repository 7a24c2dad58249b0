// JSON as a table: a list of objects, or objects line by line.
import { parseExact } from '../../../runtime/exact-json.ts'
import type { Json } from '../../../schemas/json.ts'
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

/** Null if the value is not a list of objects. */
export function tableOfList(value: Json, file: string): Table | null {
  if (!Array.isArray(value) || !value.every(isRow)) return null
  const columns = new Columns(file)
  for (const row of value) columns.add(row)
  return {
    ...{ columns: columns.list, total: value.length, notes: [] },
    each(visit) {
      for (const row of value) visit(columns.cells(row))
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

function rowIn(line: string): Row | null {
  try {
    const value = parseExact(line)
    return isRow(value) ? value : null
  } catch {
    return null
  }
}

/** The lines, without empty ones. */
function* lines(open: OpenFile, encoding: string): Generator<string> {
  let rest = ''
  for (const text of open.text(encoding)) {
    const parts = `${rest}${text}`.split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) if (line.trim() !== '') yield line
  }
  if (rest.trim() !== '') yield rest
}
