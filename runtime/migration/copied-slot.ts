// One partition in both logs: compares what was copied, and gives each offset of the data file its offset on Kafka.
//
// 1. Kafka numbers records from 0 and gives numbers to the ends of transactions too, so offsets differ.
// 2. The oldest records may be gone from Kafka by the time they are compared, if their retention has ended since.
import { FlotillaError } from '../errors.ts'
import type { Position } from '../log/port.ts'
import { decodeFinished, encodeFinished } from '../log/position-metadata.ts'
import { plural } from '../text/quantities.ts'

/** A record of either log. */
export interface Digested {
  readonly offset: number
  readonly digest: string
  readonly timestampMs: number
}

export interface SlotComparison {
  readonly where: string
  readonly source: readonly Digested[]
  readonly target: readonly Digested[]
  /** Offset that the next record of the target gets. */
  readonly targetEnd: number
  /** Records of the source older than this may be gone from the target. */
  readonly keptSinceMs: number
}

/** Offsets of the target by those of the source. */
export class OffsetMap {
  readonly #source: readonly number[]
  readonly #target: readonly number[]
  readonly #end: number
  readonly #exact: ReadonlyMap<number, number>

  constructor(source: readonly number[], target: readonly number[], end: number) {
    this.#source = source
    this.#target = target
    this.#end = end
    this.#exact = new Map(source.map((offset, index) => [offset, target[index] as number]))
  }

  /** Offset of the copy; undefined if the record was not copied, or is gone. */
  exact(offset: number): number | undefined {
    return this.#exact.get(offset)
  }

  /** Offset of the first copy that is not before this offset; the end if there is none. */
  from(offset: number): number {
    let [low, high] = [0, this.#source.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#source[middle] as number) < offset) low = middle + 1
      else high = middle
    }
    return this.#target[low] ?? this.#end
  }

  /** The position of the data file, with its unfinished records, as one of the target. */
  position({ topic, offset, metadata }: Position): Position {
    const { next, unfinished } = decodeFinished(offset, metadata)
    const open = unfinished.flatMap((each) => this.exact(each) ?? [])
    const [base] = open
    if (base === undefined) return { topic, offset: this.from(next), metadata: '' }
    return {
      topic,
      offset: base,
      metadata: encodeFinished({ base, next: this.from(next), unfinished: open }),
    }
  }
}

/** Throws INTERNAL at the first difference. */
export function compareSlot({ where, source, target, targetEnd, keptSinceMs }: SlotComparison): OffsetMap {
  const gone = source.length - target.length
  if (gone < 0)
    throw differs(where, `it has ${plural(target.length, 'record')}, ${source.length} were copied`)
  const early = source.slice(0, gone).find(({ timestampMs }) => timestampMs >= keptSinceMs)
  if (early)
    throw differs(
      where,
      `${plural(gone, 'record is', 'records are')} missing, such as ${early.offset} of the data file`,
    )
  const kept = source.slice(gone)
  const wrong = kept.findIndex(({ digest }, index) => digest !== target[index]?.digest)
  if (wrong >= 0)
    throw differs(where, `record ${target[wrong]?.offset} is not ${kept[wrong]?.offset} of the data file`)
  const offsets = (records: readonly Digested[]): number[] => records.map(({ offset }) => offset)
  return new OffsetMap(offsets(kept), offsets(target), targetEnd)
}

const differs = (where: string, why: string): FlotillaError =>
  new FlotillaError(
    'INTERNAL',
    `checking ${where}: ${why}. Nothing of the data file was changed: delete what is in the target, or ` +
      'move under another prefix (--from-prefix)',
  )
