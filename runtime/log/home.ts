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

/** The same for a text of ASCII, whose bytes are its characters; null for any other text. */
function murmur2OfAscii(text: string): number | null {
  const length = text.length
  const m = 0x5bd1e995
  const whole = length & ~3
  let h = 0x9747b28c ^ length
  let seen = 0
  for (let i = 0; i < whole; i += 4) {
    const [a, b, c] = [text.charCodeAt(i), text.charCodeAt(i + 1), text.charCodeAt(i + 2)]
    const d = text.charCodeAt(i + 3)
    seen |= a | b | c | d
    let k = Math.imul(a | (b << 8) | (c << 16) | (d << 24), m)
    k = Math.imul(k ^ (k >>> 24), m)
    h = Math.imul(h, m) ^ k
  }
  if (length > whole) {
    for (let i = length - 1; i >= whole; i--) {
      const code = text.charCodeAt(i)
      seen |= code
      h ^= code << (8 * (i - whole))
    }
    h = Math.imul(h, m)
  }
  if (seen > 0x7f) return null
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}

const utf8 = new TextEncoder()

/** The partition that Java's default partitioner picks, so that lane i of every stage has the same tasks. */
export function homeOf(key: string, partitions: number): number {
  return ((murmur2OfAscii(key) ?? murmur2(utf8.encode(key))) & 0x7fffffff) % partitions
}
