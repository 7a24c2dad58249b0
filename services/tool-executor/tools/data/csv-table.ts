// A CSV file as a table. It is read in chunks, once for its columns, because the last row may change a
// column's type, and once for each query. The result of the first reading is cached until the file changes.
import { Column } from './columns.ts'
import { dialectOf, SAMPLE_CHARS, type Dialect } from './csv-dialect.ts'
import {
  isQuoteError,
  quotings,
  readRecords,
  type Cells,
  type Quoting,
} from '../../../../runtime/text/csv-records.ts'
import { isCanonical } from './numerals.ts'
import type { OpenFile } from './open-file.ts'
import { assertColumnCount, counted, distinctNames, shown, type Table } from './table.ts'
import type { Guess } from './text-encoding.ts'

export interface CsvForm {
  /** The delimiter by the file's name. */
  readonly usual: string
  /** The caller's choice; null: detected. */
  readonly delimiter: string | null
  readonly encoding: string | null
}

interface Reading extends Dialect {
  readonly encoding: string
  readonly quoting: Quoting
}

/** The result of a first reading. */
export class CsvProfile {
  readonly reading: Reading
  readonly notes: string[] = []
  columns: Column[] = []
  total = 0
  #header: Cells = []
  #seen = { blank: 0, short: 0, long: 0, merged: 0 }

  constructor(reading: Reading) {
    this.reading = reading
  }

  /** The first record is the header. */
  add(cells: Cells, file: string): void {
    if (this.#header.length === 0) return this.#begin(cells, file)
    const width = cells.findLastIndex((cell) => cell !== '') + 1
    if (width === 0) return void this.#seen.blank++
    this.total += 1
    if (cells.length < this.#header.length) this.#seen.short++
    if (width > this.#header.length) this.#seen.long++
    if (width > this.columns.length) this.#widen(width, file)
    for (let at = 0; at < width; at++) {
      const cell = cells[at] ?? ''
      this.columns[at]?.add(cell)
      if (cell.includes('\n') && this.#looksMerged(cell)) this.#seen.merged++
    }
  }

  #begin(header: Cells, file: string): void {
    assertColumnCount(file, header.length)
    this.#header = header
    const { names, notes } = distinctNames(header)
    this.columns = names.map((name) => new Column(name, true))
    this.notes.push(...notes)
    if (header.every((cell) => cell === '' || isCanonical(cell)))
      this.notes.push(
        `the first line was taken for the header, but looks like data: ${shown(header.join(', '))}`,
      )
  }

  #widen(width: number, file: string): void {
    assertColumnCount(file, width)
    const header = Array.from({ length: width }, (_, at) => this.columns[at]?.name ?? '')
    const { names } = distinctNames(header)
    for (const name of names.slice(this.columns.length)) this.columns.push(new Column(name, true))
  }

  /** Whether the cell holds whole lines of the table, because a quote before it is not closed. */
  #looksMerged(cell: string): boolean {
    const least = this.#header.length - 1
    return (
      least > 0 && cell.split('\n').some((line) => line.split(this.reading.delimiter).length - 1 >= least)
    )
  }

  /** Drops a last column without name and values: it comes from a delimiter at the end of each line. */
  end(): void {
    while (
      this.columns.length > 1 &&
      this.columns.at(-1)?.filled === 0 &&
      this.#header[this.columns.length - 1] === ''
    )
      this.columns.pop()
    const { blank, short, long, merged } = this.#seen
    const rows = (count: number) => counted(count, 'row', 'rows')
    if (this.reading.preamble.length > 0)
      this.notes.push(`left out before the header: ${shown(this.reading.preamble.join(' / '))}`)
    if (short > 0) this.notes.push(`${rows(short)} shorter than the header; the missing cells are empty`)
    if (long > 0)
      this.notes.push(`${rows(long)} longer than the header; the cells beyond it are in ${this.#beyond()}`)
    if (blank > 0) this.notes.push(`${rows(blank)} without any value left out`)
    if (merged > 0)
      this.notes.push(
        `${counted(merged, 'cell holds', 'cells hold')} whole lines: a quote before them is not closed`,
      )
  }

  #beyond(): string {
    const names = this.columns.slice(this.#header.length).map(({ name }) => name)
    return shown(names.join(', '))
  }
}

export async function profileCsv(open: OpenFile, form: CsvForm): Promise<CsvProfile> {
  const guess = open.encoding(form.encoding)
  const sample = open.beginning(guess.encoding, SAMPLE_CHARS)
  const dialect = dialectOf(sample, form.usual, form.delimiter)
  const profile = await firstReading(open, { ...dialect, encoding: guess.encoding })
  profile.end()
  profile.notes.unshift(...notesOn(guess, form))
  if (dialect.delimiter !== form.usual)
    profile.notes.unshift(`cells are parted by ${JSON.stringify(dialect.delimiter)}`)
  if (dialect.suggestion !== null)
    profile.notes.unshift(
      `it was read as one column; if its cells are parted by ${JSON.stringify(dialect.suggestion)}, name that delimiter`,
    )
  return profile
}

/** Reads by the strictest quoting that the whole file allows. */
async function firstReading(open: OpenFile, reading: Omit<Reading, 'quoting'>): Promise<CsvProfile> {
  let failure: unknown
  for (const quoting of quotings) {
    const profile = new CsvProfile({ ...reading, quoting })
    try {
      await eachRecord(open, profile.reading, (cells) => profile.add(cells, open.name))
      if (quoting === 'none')
        profile.notes.push(`quotes were read as characters: ${(failure as Error).message}`)
      return profile
    } catch (error) {
      if (!isQuoteError(error)) throw error
      failure = error
    }
  }
  throw failure
}

export const csvTable = (open: OpenFile, profile: CsvProfile): Table => ({
  ...{ columns: profile.columns, total: profile.total, notes: profile.notes },
  async each(visit) {
    let isHeader = true
    await eachRecord(open, profile.reading, (cells) => {
      if (!isHeader && cells.some((cell) => cell !== '')) visit(cells)
      isHeader = false
    })
    open.assertUnchanged()
  },
})

function notesOn({ encoding, undecodable }: Guess, form: CsvForm): string[] {
  if (form.encoding !== null) return []
  if (encoding === 'windows-1252')
    return [
      'not UTF-8: read as Windows-1252; if letters look wrong, name the encoding, e.g. windows-1251 or shift_jis',
    ]
  if (undecodable === 0) return []
  return [`${counted(undecodable, 'character is', 'characters are')} not UTF-8 and shown as \ufffd`]
}

/** Visits records from the header on. */
async function eachRecord(open: OpenFile, reading: Reading, take: (cells: Cells) => void): Promise<void> {
  const { delimiter, quoting, skipped, encoding } = reading
  let at = 0
  await readRecords(open.text(encoding), { delimiter, quoting }, (cells) => {
    if (at++ >= skipped) take(cells)
  })
}
