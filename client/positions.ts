// Positions of a stream over the log, so that a reader whose connection broke goes on behind what it has read.
//
// On the wire: `<partition>:<offset>` of the last record that was read, in the field `position` of a line, and
// for every partition, separated by commas, in the header and in the parameter `after`.

/** Offset of the last record that was read, by partition. */
export type Positions = ReadonlyMap<number, number>

/** An item, and where in the log it is; null if it is at no position (text as it is written, results found). */
export interface Positioned<T> {
  readonly item: T
  readonly position: { readonly partition: number; readonly offset: number } | null
}

/** Response header: positions before the first item of the stream. */
export const POSITIONS_HEADER = 'flotilla-positions'

/** Null if the text is not positions. */
export function parsePositions(text: string): Positions | null {
  const found = new Map<number, number>()
  for (const each of text === '' ? [] : text.split(',')) {
    const [, partition, offset] = /^(\d{1,6}):(-?\d{1,15})$/.exec(each) ?? []
    if (partition === undefined || offset === undefined) return null
    found.set(Number(partition), Number(offset))
  }
  return found
}

export function formatPositions(positions: Positions): string {
  return [...positions].map(([partition, offset]) => `${partition}:${offset}`).join(',')
}

/** A record that was read, and how many events of it, because one record may be several; null: all of them. */
export interface Place {
  readonly offset: number
  readonly events: number | null
}

/** A place in a stream of events, by partition. */
export type Cursor = ReadonlyMap<number, Place>

/** Null if the text is no cursor: `3:120` or `3:120.1`, for each partition, separated by commas. */
export function parseCursor(text: string): Cursor | null {
  const found = new Map<number, Place>()
  for (const each of text.split(',')) {
    const [, partition, offset, events] = /^(\d{1,6}):(-?\d{1,15})(?:\.(\d{1,4}))?$/.exec(each) ?? []
    if (partition === undefined || offset === undefined) return null
    found.set(Number(partition), {
      offset: Number(offset),
      events: events === undefined ? null : Number(events),
    })
  }
  return found
}

export function formatCursor(cursor: Cursor): string {
  const places = [...cursor].map(
    ([partition, { offset, events }]) => `${partition}:${offset}${events === null ? '' : `.${events}`}`,
  )
  return places.join(',')
}
