// The dialect of a CSV file, from its first lines: the delimiter, and the position of the header.
import { recordsIn } from '../../../../runtime/text/csv-records.ts'

/** Characters that are inspected. */
export const SAMPLE_CHARS = 64 * 1024
const MAX_PREAMBLE = 30

const candidates = [',', ';', '\t', '|'] as const
/** Tried if no other makes columns, because text may hold them; the last two are only suggested. */
const rare = ['\x01', '^', '~', '¦'] as const
const suggested = [':', ' '] as const

export interface Dialect {
  readonly delimiter: string
  /** Records before the header: a title, `sep=;`. */
  readonly skipped: number
  /** The skipped text, except `sep=`. */
  readonly preamble: readonly string[]
  /** Another delimiter that would make columns of a table that has only one. */
  readonly suggestion: string | null
}

/** `usual`: the delimiter by the file's name. `named`: the caller's choice, if any. */
export function dialectOf(sample: string, usual: string, named: string | null): Dialect {
  const stated = /^sep=(.)\r?\n/i.exec(sample)?.[1] ?? null
  const delimiter =
    named ?? stated ?? likeliest(sample, usual, candidates) ?? likeliest(sample, usual, rare) ?? usual
  const records = recordsOf(sample, delimiter)
  const from = stated === null ? 0 : 1
  const start = headerAt(records, from)
  const preamble = records.slice(from, start).map((cells) => cells.filter((cell) => cell !== '').join(' '))
  const isOneColumn = named === null && records.slice(start).every((cells) => cells.length < 2)
  const suggestion = isOneColumn ? (suggested.find((one) => dividesAll(sample, one)) ?? null) : null
  return { delimiter, skipped: start, preamble, suggestion }
}

/** Whether each line, of several, has the same number of cells by this delimiter, and more than one. */
function dividesAll(sample: string, delimiter: string): boolean {
  const [first, ...others] = recordsOf(sample, delimiter).map((cells) => cells.filter((cell) => cell !== ''))
  const width = first?.length ?? 0
  return width > 1 && others.length > 0 && others.every((cells) => cells.length === width)
}

/**
 * The delimiter that gives most lines the same number of cells; the header should be among them. Null if none
 * makes columns.
 */
function likeliest(sample: string, usual: string, among: readonly string[]): string | null {
  const scored = among.map((delimiter) => {
    const widths = recordsOf(sample, delimiter).map((cells) => cells.length)
    const mode = modeOf(widths)
    const share = mode < 2 ? 0 : widths.filter((width) => width === mode).length / widths.length
    return { delimiter, score: share * ((widths[0] ?? 0) < 2 ? 0.5 : 1), mode }
  })
  scored.sort(
    (a, b) =>
      b.score - a.score || Number(b.delimiter === usual) - Number(a.delimiter === usual) || b.mode - a.mode,
  )
  const [best] = scored
  return best && best.score > 0 ? best.delimiter : null
}

/**
 * Titles come before the header: lines of one cell, while the table's have more. So do comments, except for a
 * header that begins with #, as wide as the rows.
 */
function headerAt(records: readonly (readonly string[])[], first: number): number {
  const behind = records.findIndex((cells, at) => at >= first && cells[0]?.startsWith('#') !== true)
  const comments = behind < 0 || behind > first + MAX_PREAMBLE ? 0 : behind - first
  const isHeader = comments > 0 && records[behind - 1]?.length === records[behind]?.length
  const from = isHeader && (records[behind]?.length ?? 0) > 1 ? behind - 1 : first + comments
  const mode = modeOf(records.slice(from).map((cells) => cells.length))
  if (mode < 2) return from
  const isTitle = (cells: readonly string[]) =>
    cells.length < 2 || (mode > 2 && cells[0] !== '' && cells.slice(1).every((cell) => cell === ''))
  const start = records.findIndex((cells, at) => at >= from && !isTitle(cells))
  return start < 0 || start > from + MAX_PREAMBLE ? from : start
}

function recordsOf(sample: string, delimiter: string): string[][] {
  // The last line may be cut by the sample, and would look short.
  const whole = sample.length < SAMPLE_CHARS ? sample : sample.replace(/[\r\n][^\r\n]*$/, '')
  return recordsIn(whole, delimiter)
}

/** The most frequent number; of several the smallest, so that prose has no delimiter. */
function modeOf(numbers: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const one of numbers) counts.set(one, (counts.get(one) ?? 0) + 1)
  let mode = 0
  for (const [one, times] of counts)
    if (times > (counts.get(mode) ?? 0) || (times === counts.get(mode) && one < mode)) mode = one
  return mode
}
