// The columns of a table, from all its rows: names, types, and how their cells compare.
import type { Json } from '../../../../schemas/json.ts'
import { decimalMarkOf, isCanonical, isPadded, numberIn, numeralOf, type DecimalMark } from './numerals.ts'

const EXAMPLES = 5
const EXAMPLE_CHARS = 40

export type ColumnType = 'number' | 'text' | 'boolean' | 'list' | 'object' | 'mixed' | 'empty'

/** A column as the model is told about it. */
export interface ColumnInfo {
  readonly name: string
  readonly type: ColumnType
  /** Cells without a value. */
  readonly empty: number
  readonly note?: string
}

export class Column {
  readonly name: string
  /** Cells are text in the file (CSV), so numbers are parsed here. */
  readonly isText: boolean
  readonly #types = new Map<ColumnType, number>()
  /** A few of its values, all different. */
  readonly examples = new Set<string>()
  #filled = 0
  /** Counts of the text cells. */
  readonly #numerals = { canonical: 0, padded: 0, plain: 0, decorated: 0, comma: 0, point: 0, other: 0 }
  readonly #shown = { padded: '', odd: '', other: '' }
  /** Numbers of decimals that occur; two are enough to know that they differ. */
  readonly #decimals = new Set<number>()
  /** Its numbers are written as Python and R do: whole ones as 1.0. */
  #isShortest = true

  constructor(name: string, isText: boolean) {
    this.name = name
    this.isText = isText
  }

  add(cell: Json | undefined): void {
    if (isEmpty(cell) || (cell === '' && this.isText)) return
    this.#filled += 1
    if (this.examples.size < EXAMPLES) this.examples.add(shownCell(cell ?? null))
    if (typeof cell === 'string') return this.#addText(cell)
    const type = typeOf(cell ?? null)
    this.#types.set(type, (this.#types.get(type) ?? 0) + 1)
  }

  #addText(text: string): void {
    const seen = this.#numerals
    if (isCanonical(text)) {
      seen.canonical += 1
      return this.#addDecimals(text, text.includes('.'))
    }
    if (isPadded(text)) {
      seen.padded += 1
      this.#shown.padded ||= shownCell(text)
      return this.#addDecimals(text, /[^.]\.0$/.test(text))
    }
    const numeral = numeralOf(text)
    if (!numeral) {
      seen.other += 1
      this.#shown.other ||= shownCell(text)
      return
    }
    if (numeral.isPlain) seen.plain += 1
    else seen.decorated += 1
    this.#shown.odd ||= shownCell(text)
    const mark = decimalMarkOf(numeral.core)
    if (mark === ',') seen.comma += 1
    else if (mark === '.') seen.point += 1
  }

  #addDecimals(text: string, isShortest: boolean): void {
    if (this.#decimals.size < 2)
      this.#decimals.add(text.includes('.') ? text.length - text.indexOf('.') - 1 : 0)
    this.#isShortest &&= isShortest
  }

  get filled(): number {
    return this.#filled
  }

  get #texts(): number {
    const { canonical, padded, plain, decorated, other } = this.#numerals
    return canonical + padded + plain + decorated + other
  }

  /** More of its cells are numbers than are not. */
  get isNumeric(): boolean {
    const { canonical, padded, plain, decorated } = this.#numerals
    const numbers = canonical + padded + plain + decorated + (this.#types.get('number') ?? 0)
    return numbers > 0 && 2 * numbers >= this.#filled
  }

  /**
   * Numbers that would not convert back to their text: 007, 1,200, ids of 20 digits, 1.10 beside 1.1.
   * Trailing zeros are not a loss if all have the same number of decimals (prices), or only whole numbers
   * have one.
   */
  get #isKeptAsText(): boolean {
    const { padded, plain, decorated } = this.#numerals
    if (!this.isNumeric || plain + decorated > 0) return true
    // A single value shows no pattern.
    const isRegular = this.examples.size > 1 && (this.#decimals.size === 1 || this.#isShortest)
    return padded > 0 && !isRegular
  }

  /** Its numbers are written with currencies or groups: a text such as "1,200" means the number. */
  get isDecorated(): boolean {
    return this.isNumeric && this.#numerals.decorated > 0
  }

  get type(): ColumnType {
    if (this.#filled === 0) return 'empty'
    if (this.isText) return this.#isKeptAsText ? 'text' : 'number'
    const types: ColumnType[] = [...this.#types.keys()]
    if (this.#texts > 0) types.push('text')
    return types.length === 1 ? (types[0] ?? 'empty') : 'mixed'
  }

  /** 1,200 alone may be either; a grouping comma is likelier. */
  get #mark(): DecimalMark {
    const { comma, point } = this.#numerals
    return comma > point ? ',' : '.'
  }

  /** The cell as the model gets it. */
  value(cell: Json | undefined): Json {
    if (!this.isText || typeof cell !== 'string') return cell ?? null
    if (this.#isKeptAsText) return cell
    return cell === '' ? null : isCanonical(cell) || isPadded(cell) ? Number(cell) : cell
  }

  /** The number that the cell stands for; null if it is not a number. */
  number(cell: Json): number | null {
    if (typeof cell === 'number') return cell
    return typeof cell === 'string' ? numberIn(cell, this.#mark) : null
  }

  /** `rows`: how many the table has. */
  info(rows: number): ColumnInfo {
    const note = this.#note()
    return { name: this.name, type: this.type, empty: rows - this.#filled, ...(note !== null && { note }) }
  }

  #note(): string | null {
    if (!this.isNumeric) return null
    const { other, padded, decorated } = this.#numerals
    const notes: string[] = []
    const odd = this.#shown.odd || this.#shown.padded
    if (this.#isKeptAsText)
      notes.push(
        `numbers such as ${odd} stay text, which numbers would change; <, >, and = with a number compare them as numbers` +
          (decorated > 0 ? ` (${odd} is ${this.number(odd) ?? 'none'})` : ''),
      )
    else if (padded > 0) notes.push(`${odd} is given as ${Number(odd)}`)
    if (other > 0)
      notes.push(`${other} ${other === 1 ? 'cell is' : 'cells are'} no number, e.g. ${this.#shown.other}`)
    return notes.join('; ') || null
  }
}

const isEmpty = (cell: Json | undefined): boolean => cell === undefined || cell === null

function typeOf(cell: Json): ColumnType {
  if (Array.isArray(cell)) return 'list'
  return typeof cell === 'object'
    ? 'object'
    : typeof cell === 'string'
      ? 'text'
      : (typeof cell as 'number' | 'boolean')
}

function shownCell(cell: Json): string {
  const text = typeof cell === 'string' ? cell : JSON.stringify(cell)
  return text.length <= EXAMPLE_CHARS ? text : `${text.slice(0, EXAMPLE_CHARS)}…`
}
