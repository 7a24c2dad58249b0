import { FlotillaError } from '../errors.ts'

/** Whether the blob store has lost this row: reading it throws. */
export const isLost = (rows: object, name: string): boolean =>
  Object.getOwnPropertyDescriptor(rows, name)?.get !== undefined

/** The rows without those that are lost, as far as they may be. */
export function withoutLost<R extends object>(rows: R, mayBeLost: (name: string) => boolean = () => true): R {
  const names = Object.keys(rows)
  const lost = new Set(names.filter((name) => mayBeLost(name) && isLost(rows, name)))
  if (lost.size === 0) return rows
  const left = Object.entries(Object.getOwnPropertyDescriptors(rows)).filter(([name]) => !lost.has(name))
  const bare = Object.create(Object.getPrototypeOf(rows) as object) as object
  return Object.defineProperties(bare, Object.fromEntries(left)) as R
}

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
