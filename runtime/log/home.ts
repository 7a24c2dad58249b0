/** murmur2 as Kafka's Java client computes it (org.apache.kafka.common.utils.Utils): signed, 32 bits. */
export function murmur2(data: Uint8Array): number {
  const length = data.length
  const m = 0x5bd1e995
  const view = new DataView(data.buffer, data.byteOffset, length)
  const whole = length & ~3
  let h = 0x9747b28c ^ length
  for (let i = 0; i < whole; i += 4) {
    let k = Math.imul(view.getInt32(i, true), m)
    k = Math.imul(k ^ (k >>> 24), m)
    h = Math.imul(h, m) ^ k
  }
  if (length > whole) {
    for (let i = length - 1; i >= whole; i--) h ^= view.getUint8(i) << (8 * (i - whole))
    h = Math.imul(h, m)
  }
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}

const utf8 = new TextEncoder()
/** Keys are short: an array of its own for each would take most of the time. */
const scratch = new Uint8Array(4_096)
const BYTES_OF_CHAR = 3

function bytesOf(text: string): Uint8Array {
  if (BYTES_OF_CHAR * text.length > scratch.length) return utf8.encode(text)
  return scratch.subarray(0, utf8.encodeInto(text, scratch).written)
}

/** The events of a handling have one key, mostly. */
let latest = { key: '', hash: murmur2(bytesOf('')) }

/** The partition that Java's default partitioner picks, so that lane i of every stage has the same tasks. */
export function homeOf(key: string, partitions: number): number {
  if (key !== latest.key) latest = { key, hash: murmur2(bytesOf(key)) }
  return (latest.hash & 0x7fffffff) % partitions
}
