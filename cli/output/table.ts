// Tables for people. On a terminal a table fits its width; in a pipe every value is whole.
//
// 1. Columns are two spaces apart; figures are right-aligned, text is left-aligned, the last text is not padded.
// 2. On a terminal optional columns that say nothing of any row are left out. If the table is too wide, the other
//    optional ones go, from the right, until the rest is wide enough to be read; then the widest text columns are cut
//    with an ellipsis, but not below their header. Figures and columns to keep (ids, times) are never cut: the line then
//    is wider than the terminal.
import { paint, print, visible } from './output.ts'
import { cutTo, widthOf } from './text-width.ts'

export interface Column {
  readonly name: string
  /** Default text. */
  readonly kind?: 'text' | 'figure'
  /** Never cut: an id that other commands take, or a time, whose end is what differs. */
  readonly keep?: boolean
  /** Left out where the terminal is too narrow; `first`: before the others. */
  readonly optional?: boolean | 'first'
  /** Width of a text below which it says little: optional columns make room for it. Default: READABLE_WIDTH. */
  readonly readable?: number
}

const GAP = '  '
const NOTHING: ReadonlySet<string> = new Set(['', '–'])
const LEAST_WIDTH = 8
const READABLE_WIDTH = 18

/** Columns of the terminal; infinite in a pipe. */
export const terminalWidth = (): number => (process.stdout.isTTY ? process.stdout.columns : Infinity)

type Row = readonly string[]
type Style = Parameters<typeof paint>[0]

/** Prints a table with a dim header; `styleOf` colours a row. */
export function printTable(
  columns: readonly Column[],
  rows: readonly Row[],
  styleOf: (index: number) => Style | null = () => null,
): void {
  const [head = '', ...lines] = tableLines(columns, rows)
  print(paint('dim', head))
  for (const [index, line] of lines.entries()) {
    const style = styleOf(index)
    print(style === null ? line : paint(style, line))
  }
}

/** Lines of the table, header first. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly Row[],
  width = terminalWidth(),
): string[] {
  const lines = [columns.map(({ name }) => name), ...rows].map((line) => line.map(oneLine))
  const isSilent = (index: number): boolean =>
    Number.isFinite(width) &&
    Boolean(columns[index]?.optional) &&
    lines.slice(1).every((line) => NOTHING.has(line[index] ?? ''))
  const shown = columns.flatMap((_, index) => (isSilent(index) ? [] : index))
  const natural = columns.map((_, index) => Math.max(...lines.map((line) => widthOf(line[index] ?? ''))))
  while (totalOf(shown.map((index) => readable(columns[index], natural[index]))) > width) {
    const first = shown.findLastIndex((index) => columns[index]?.optional === 'first')
    const last = shown.findLastIndex((index) => columns[index]?.optional)
    if (last === -1) break
    shown.splice(first === -1 ? last : first, 1)
  }
  const widths = fit(shown, columns, natural, width)
  return lines.map((line) =>
    shown
      .map((index, at) => cell(line[index] ?? '', columns[index], widths[at] ?? 0))
      .join(GAP)
      .trimEnd(),
  )
}

const oneLine = (text: string): string => visible(text).replaceAll(/\s+/g, ' ')
const totalOf = (widths: readonly number[]): number =>
  widths.reduce((total, width) => total + width, GAP.length * (widths.length - 1))

const isCut = (column: Column | undefined): boolean => column?.kind !== 'figure' && !column?.keep
const cutDownTo = (least: number, column: Column | undefined, natural = 0): number =>
  isCut(column) ? Math.min(natural, Math.max(least, widthOf(column?.name ?? ''))) : natural
const leastOf = (column: Column | undefined, natural?: number): number =>
  cutDownTo(LEAST_WIDTH, column, natural)
const readable = (column: Column | undefined, natural?: number): number =>
  cutDownTo(column?.readable ?? READABLE_WIDTH, column, natural)

/** Takes what is too much from the widest column that may be cut, until the table fits or nothing is left to cut. */
function fit(
  shown: readonly number[],
  columns: readonly Column[],
  natural: readonly number[],
  width: number,
): number[] {
  const widths = shown.map((index) => natural[index] ?? 0)
  for (let excess = totalOf(widths) - width; excess > 0; excess = totalOf(widths) - width) {
    const [widest, next] = widths
      .map((each, at) => ({ each, at, least: leastOf(columns[shown[at] ?? 0], each) }))
      .filter(({ each, least }) => each > least)
      .toSorted((a, b) => b.each - a.each)
    if (widest === undefined) break
    const { each, at, least } = widest
    // Down to the next widest, so that several wide columns share the loss.
    widths[at] = Math.max(each - excess, Math.min(next?.each ?? least, each - 1), least)
  }
  return widths
}

function cell(text: string, column: Column | undefined, width: number): string {
  const shown = isCut(column) ? cutTo(text, width) : text
  const padding = ' '.repeat(Math.max(0, width - widthOf(shown)))
  return column?.kind === 'figure' ? padding + shown : shown + padding
}
