// The metadata of a position: the records finished beyond it. The host writes it; truncation of the log
// shortens it.
//
// `<next - base>` then runs of unfinished offsets as `gap` or `gap*length`, base 36, comma-separated,
// relative to the run before.
import type { Position } from './port.ts'

export interface Finished {
  /** Lowest unfinished offset. */
  readonly base: number
  /** One past the highest offset taken. */
  readonly next: number
  /** Below `next`, ascending: `base` is the first of them. Empty: everything is finished. */
  readonly unfinished: Iterable<number>
}

export function encodeFinished({ base, next, unfinished }: Finished): string {
  const runs: string[] = []
  let end = base
  let start = base
  let length = 0
  const flush = (): void => {
    if (length === 0) return
    const gap = (start - end).toString(36)
    runs.push(length === 1 ? gap : `${gap}*${length.toString(36)}`)
    end = start + length
  }
  for (const offset of unfinished) {
    if (length > 0 && offset === start + length) length++
    else {
      flush()
      start = offset
      length = 1
    }
  }
  flush()
  return runs.length === 0 ? '' : [(next - base).toString(36), ...runs].join(',')
}

const HOSTS = /^[0-9a-z]+(,[0-9a-z]+(\*[0-9a-z]+)?)+$/
/** A host has fewer unfinished: more are not its. */
const MOST_UNFINISHED = 1_000_000

/** Metadata of another kind says nothing: everything from `base` on is to be read. */
export function decodeFinished(base: number, metadata: string): { next: number; unfinished: number[] } {
  const none = { next: base, unfinished: [] }
  if (!HOSTS.test(metadata)) return none
  const [span, ...runs] = metadata.split(',')
  const next = base + Number.parseInt(span ?? '0', 36)
  const unfinished: number[] = []
  let end = base
  for (const run of runs) {
    const [gap = '0', length = '1'] = run.split('*')
    const start = end + Number.parseInt(gap, 36)
    end = start + Number.parseInt(length, 36)
    if (end > next || unfinished.length + (end - start) > MOST_UNFINISHED) return none
    for (let offset = start; offset < end; offset++) unfinished.push(offset)
  }
  return { next, unfinished }
}

/** One past the highest offset taken. */
export function nextOf({ offset, metadata }: Position): number {
  return decodeFinished(offset, metadata).next
}

/** The position in a log that was truncated at `end`: records finished below stay so, none from there on. */
export function cutAt<P extends Position>(position: P, end: number): P {
  const { offset, metadata } = position
  if (nextOf(position) <= end) return position
  const kept = decodeFinished(offset, metadata).unfinished.filter((each) => each < end)
  if (kept.length === 0) return { ...position, offset: end, metadata: '' }
  return { ...position, metadata: encodeFinished({ base: offset, next: end, unfinished: kept }) }
}
