// Where a page of a list ends: the `next` of its answer, with which the next page is asked for.
import { FlotillaError } from '../errors.ts'

export interface Place {
  readonly atMs: number
  readonly id: string
}

export const nextOf = ({ atMs, id }: Place): string => `${atMs}:${id}`

/** Throws REQUEST_INVALID. */
export function placeOf(after: string): Place {
  const [, atMs, id] = /^(\d{1,15}):(.+)$/su.exec(after) ?? []
  if (atMs !== undefined && id !== undefined) return { atMs: Number(atMs), id }
  const message = `after must be the "next" of an earlier page, not "${after.slice(0, 80)}"`
  throw new FlotillaError('REQUEST_INVALID', message)
}
