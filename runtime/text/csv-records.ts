// The records of a CSV text, by csv-parse, which only this file imports.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CsvError, parse, type Options } from 'csv-parse'
import { parse as parseAtOnce } from 'csv-parse/sync'

/** An unclosed quote would make one cell of the rest of the file. */
const MAX_RECORD_CHARS = 1_000_000

export type Cells = readonly string[]

/**
 * `strict`: by the standard. `loose`: text may follow a closing quote. `none`: a quote is an ordinary
 * character.
 */
export const quotings = ['strict', 'loose', 'none'] as const
export type Quoting = (typeof quotings)[number]

export interface CsvFormat {
  readonly delimiter: string
  readonly quoting: Quoting
}

/** csv-parse's options for real files: untidy rows are kept, line ends may be mixed. */
const csvOptions = ({ delimiter, quoting }: CsvFormat): Options => ({
  delimiter,
  quote: quoting === 'none' ? false : '"',
  record_delimiter: ['\r\n', '\n', '\r'],
  relax_quotes: true,
  relax_column_count: true,
  skip_empty_lines: true,
  ltrim: true,
  ...(quoting === 'loose'
    ? { cast: (cell: string, { quoting: isQuoted }) => (isQuoted ? cell : cell.trimEnd()) }
    : { rtrim: true }),
  max_record_size: MAX_RECORD_CHARS,
})

/** Records by the strictest quoting that the text allows. */
export function recordsIn(text: string, delimiter: string): string[][] {
  for (const quoting of quotings)
    try {
      return parseAtOnce(text, csvOptions({ delimiter, quoting })) as unknown as string[][]
    } catch {
      // Text behind a quote, or an unclosed quote: try the next quoting.
    }
  return []
}

/**
 * Passes on one record at a time, so that nothing accumulates. Rejects with the error of `take`, or with why
 * the text is not CSV.
 */
export async function readRecords(
  text: Iterable<string>,
  format: CsvFormat,
  take: (cells: Cells) => void,
): Promise<void> {
  const parser = parse({
    ...csvOptions(format),
    on_record: (cells) => {
      take(cells as unknown as Cells)
      return null
    },
  })
  await pipeline(Readable.from(text), parser, async (records: AsyncIterable<unknown>) => {
    for await (const record of records) void record
  })
}

export interface PlacedRecord {
  /** Line of the text on which it begins. */
  readonly line: number
  readonly cells: string[]
}

/** The first records of a text that is meant to be CSV by the standard (RFC 4180). Throws, naming line and mistake. */
export function strictRecords(text: string, most: number): PlacedRecord[] {
  const options: Options = {
    bom: true,
    info: true,
    to: most,
    relax_column_count: true,
    record_delimiter: ['\r\n', '\n', '\r'],
    max_record_size: MAX_RECORD_CHARS,
  }
  const records = parseAtOnce(text, options) as unknown as { record: string[]; info: { lines: number } }[]
  let line = 1
  return records.flatMap(({ record: cells, info }) => {
    const placed = { line, cells }
    line = info.lines + 1
    return cells.length === 1 && cells[0] === '' ? [] : [placed]
  })
}

/** Whether another quoting may read the text. */
export const isQuoteError = (error: unknown): boolean =>
  error instanceof CsvError &&
  ['CSV_QUOTE_NOT_CLOSED', 'CSV_MAX_RECORD_SIZE', 'CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE'].includes(
    error.code,
  )
