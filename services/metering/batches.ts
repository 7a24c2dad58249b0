interface Waiting<Row> {
  readonly row: Row
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Batches rows into statements: while one statement runs, the next batch fills. `add` resolves when its row
 * is written; if the statement rejects with an error that `isBad` recognises, each row is written on its own,
 * so that only bad ones reject.
 */
export class Batches<Row> {
  readonly #write: (rows: readonly Row[]) => Promise<unknown>
  readonly #isBad: (error: unknown) => boolean
  #waiting: Waiting<Row>[] = []
  #running = false

  constructor(write: (rows: readonly Row[]) => Promise<unknown>, isBad: (error: unknown) => boolean) {
    this.#write = write
    this.#isBad = isBad
  }

  add(row: Row): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ row, resolve, reject })
      if (!this.#running) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#running = true
    // Rows of one tick of the event loop are one statement.
    await new Promise(setImmediate)
    while (this.#waiting.length > 0) await this.#one(this.#waiting.splice(0, MAX_ROWS))
    this.#running = false
  }

  async #one(group: readonly Waiting<Row>[]): Promise<void> {
    try {
      await this.#write(group.map(({ row }) => row))
      for (const { resolve } of group) resolve()
    } catch (error) {
      if (group.length === 1 || !this.#isBad(error)) for (const { reject } of group) reject(error)
      else for (const single of group) await this.#one([single])
    }
  }
}

/** PostgreSQL takes 65,535 parameters a statement, SQLite 32,766. */
const MAX_ROWS = 500
