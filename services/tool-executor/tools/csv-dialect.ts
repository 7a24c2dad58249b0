// How a CSV file is written, as its first lines show: what parts the cells, and where the header stands.
import { recordsIn } from './csv-records.ts'

/** Characters that are looked at. */
export const SAMPLE_CHARS = 64 * 1024
const MAX_PREAMBLE = 30

const candidates = [',', ';', '\t', '|'] as const

export interface Dialect {
  readonly delimiter: string
  /** Records before the header: a title, `sep=;`. */
  readonly skipped: number
  /** Text of what is skipped, but for `sep=`. */
  readonly preamble: readonly string[]
}

/** `usual`: the delimiter that the file's name says. `named`: what the caller says, if anything. */
export function dialectOf(sample: string, usual: string, named: string | null): Dialect {
  const stated = /^sep=(.)\r?\n/i.exec(sample)?.[1] ?? null
  const delimiter = named ?? stated ?? likeliest(sample, usual)
  const records = recordsOf(sample, delimiter)
  const from = stated === null ? 0 : 1
  const start = headerAt(records, from)
  const preamble = records.slice(from, start).map((cells) => cells.filter((cell) => cell !== '').join(' '))
  return { delimiter, skipped: start, preamble }
}

/** The one by which most lines have the same number of cells; the header should be among them. */
function likeliest(sample: string, usual: string): string {
  const scored = candidates.map((delimiter) => {
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
  return best && best.score > 0 ? best.delimiter : usual
}

/** Titles come before the header: lines of one cell, where the table's have more. */
function headerAt(records: readonly (readonly string[])[], from: number): number {
  const mode = modeOf(records.slice(from).map((cells) => cells.length))
  if (mode < 2) return from
  const isTitle = (cells: readonly string[]) =>
    cells.length < 2 || (mode > 2 && cells[0] !== '' && cells.slice(1).every((cell) => cell === ''))
  const start = records.findIndex((cells, at) => at >= from && !isTitle(cells))
  return start < 0 || start > from + MAX_PREAMBLE ? from : start
}

function recordsOf(sample: string, delimiter: string): string[][] {
  // A line that the sample cuts would look short.
  const whole = sample.length < SAMPLE_CHARS ? sample : sample.replace(/[\r\n][^\r\n]*$/, '')
  return recordsIn(whole, delimiter)
}

/** The number that is there most often; of several the smallest, so that prose has no delimiter. */
function modeOf(numbers: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const one of numbers) counts.set(one, (counts.get(one) ?? 0) + 1)
  let mode = 0
  for (const [one, times] of counts)
    if (times > (counts.get(mode) ?? 0) || (times === counts.get(mode) && one < mode)) mode = one
  return mode
}
