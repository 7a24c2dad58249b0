import { FlotillaError } from './errors.ts'

/**
 * Stands for a state row whose payload the blob store has lost: reading the row fails with PAYLOAD_MISSING,
 * and nothing else fails. A LaneIndex gets it as the row's value.
 */
export class MissingRow {
  readonly hash: string

  constructor(hash: string) {
    this.hash = hash
  }

  /** Makes reading the row of this name throw. */
  standIn(rows: Record<string, unknown>, name: string): void {
    const { hash } = this
    const get = (): never => {
      throw new FlotillaError(
        'PAYLOAD_MISSING',
        `the state row ${name}: the blob store has no payload ${hash}`,
      )
    }
    Object.defineProperty(rows, name, { get, enumerable: true, configurable: true })
  }
}
