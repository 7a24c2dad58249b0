// A statement over a list of rows, built and compiled once for each of a few lengths: a list is filled up with its
// last row, which changes nothing in an upsert and in a list of ids. So the database prepares a few statements
// instead of one for each number of rows.
import type { Compilable, CompiledQuery } from 'kysely'
import type { Sql } from '../../runtime/store/sql.ts'

export class RowStatement<Row, Result = unknown> {
  readonly #build: (sql: Sql, rows: readonly Row[]) => Compilable<Result>
  readonly #valuesOf: (row: Row) => readonly unknown[]
  /** By database and number of rows. */
  readonly #compiled = new WeakMap<Sql, Map<number, CompiledQuery<Result>>>()

  /** `build` may bind nothing but these values of each row, in order: row by row. */
  constructor(
    build: (sql: Sql, rows: readonly Row[]) => Compilable<Result>,
    valuesOf: (row: Row) => readonly unknown[],
  ) {
    this.#build = build
    this.#valuesOf = valuesOf
  }

  /** `rows` is not empty. */
  async run(sql: Sql, rows: readonly Row[]): Promise<Result[]> {
    const length = fullLength(rows.length)
    const values = rows.map(this.#valuesOf)
    const last = values.at(-1) ?? []
    while (values.length < length) values.push(last)
    const query: CompiledQuery<Result> = { ...this.#compile(sql, rows, length), parameters: values.flat() }
    return (await sql.executeQuery(query)).rows
  }

  #compile(sql: Sql, rows: readonly Row[], length: number): CompiledQuery<Result> {
    const known = this.#compiled.get(sql)?.get(length)
    if (known) return known
    const last = rows.at(-1) as Row
    const filled = [...rows, ...Array.from({ length: length - rows.length }, () => last)]
    const compiled = this.#build(sql, filled).compile()
    const ofSql = this.#compiled.get(sql) ?? new Map<number, CompiledQuery<Result>>()
    this.#compiled.set(sql, ofSql.set(length, compiled))
    return compiled
  }
}

/** Rows of a table, with their columns in one order: a statement that is compiled once binds by position. */
export class Columns<Row extends object> {
  readonly #names: readonly (keyof Row & string)[]

  /** Names every column. */
  constructor(names: Readonly<Record<keyof Row & string, 0>>) {
    this.#names = Object.keys(names) as (keyof Row & string)[]
  }

  readonly valuesOf = (row: Row): unknown[] => this.#names.map((name) => row[name] ?? null)

  readonly rowOf = (row: Row): Row =>
    Object.fromEntries(this.#names.map((name) => [name, row[name] ?? null])) as unknown as Row
}

/** The next of 1, 2, 3, 4, 6, 8, 12, 16, 24, … */
function fullLength(rows: number): number {
  let length = 1
  while (length < rows) length *= 2
  const less = (length * 3) / 4
  return Number.isInteger(less) && less >= rows ? less : length
}
