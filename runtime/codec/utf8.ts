// Where bytes stop being UTF-8, for a message that says so. Whether they are, Node says faster.

interface Part {
  readonly from: number
  readonly to: number
  /** Half of a surrogate pair may be there, in three bytes. */
  readonly halves: boolean
}

/** Second bytes that may follow a first one; the others are from 0x80 to 0xbf. */
const seconds: Readonly<Record<number, readonly [least: number, most: number]>> = {
  0xe0: [0xa0, 0xbf],
  0xed: [0x80, 0x9f],
  0xf0: [0x90, 0xbf],
  0xf4: [0x80, 0x8f],
}
const HALF = 0xed

/** The place of the first byte of a character that is none; null if all are. */
export function wrongByteAt(bytes: Uint8Array, { from, to, halves }: Part): number | null {
  for (let at = from; at < to;) {
    const first = bytes[at] as number
    const length = lengthOf(first)
    const [least, most] = (halves && first === HALF ? undefined : seconds[first]) ?? [0x80, 0xbf]
    const isWhole = length > 0 && at + length <= to
    if (!isWhole || !isContinued(bytes, at, length, least, most)) return at
    at += length
  }
  return null
}

/** How many bytes a character has that begins with this one; 0 if none does. */
function lengthOf(first: number): number {
  if (first < 0x80) return 1
  if (first < 0xc2 || first > 0xf4) return 0
  if (first < 0xe0) return 2
  return first < 0xf0 ? 3 : 4
}

function isContinued(bytes: Uint8Array, at: number, length: number, least: number, most: number): boolean {
  for (let next = 1; next < length; next++) {
    const byte = bytes[at + next] as number
    const [low, high] = next === 1 ? [least, most] : [0x80, 0xbf]
    if (byte < low || byte > high) return false
  }
  return true
}
