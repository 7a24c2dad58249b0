// A table as queries see it, from any kind of file.
import type { Json } from '../../../../schemas/json.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { Column } from './columns.ts'

/** More than any table that a person or a model can use. */
const MAX_COLUMNS = 5_000
const SHOWN_CHARS = 200

export interface Table {
  readonly columns: readonly Column[]
  /** Rows in all. */
  readonly total: number
  /** Oddities of the file, as sentences for a model. */
  readonly notes: readonly string[]
  /** Each row's cells, in the order of the columns; undefined if the row lacks one. The array is reused. */
  each(visit: (cells: readonly (Json | undefined)[]) => void): Promise<void>
}

export function assertColumnCount(file: string, count: number): void {
  if (count > MAX_COLUMNS)
    throw new FlotillaError(
      'TOOL_FAILED',
      `${file} can't be read as a table: it has more than ${MAX_COLUMNS} columns`,
    )
}

/** Makes names unique: empty ones get their position, repeated ones a number. */
export function distinctNames(header: readonly string[]): { names: string[]; notes: string[] } {
  const taken = new Set(header)
  const used = new Set<string>()
  const renamed: string[] = []
  const names = header.map((given, at) => {
    if (given !== '' && !used.has(given)) return mark(used, given)
    const stem = given === '' ? `column_${at + 1}` : given
    let name = given === '' ? stem : `${given}_2`
    for (let count = 2; used.has(name) || taken.has(name);) name = `${stem}_${++count}`
    renamed.push(`${given === '' ? 'without a name' : `a second ${shown(given)}`} is ${shown(name)}`)
    return mark(used, name)
  })
  return { names, notes: renamed.length === 0 ? [] : [`columns renamed: ${shown(renamed.join('; '))}`] }
}

function mark(used: Set<string>, name: string): string {
  used.add(name)
  return name
}

export const shown = (text: string): string =>
  text.length <= SHOWN_CHARS ? text : `${text.slice(0, SHOWN_CHARS)}…`

export const counted = (count: number, one: string, many: string): string =>
  `${count} ${count === 1 ? one : many}`
