// Compares a rebuilt interpreter with the shipped one. They are equal byte for byte, except the image of
// Python's memory after its start: componentize-py lets Python choose a random hash seed there, so it differs
// in every build. The sources of the image are covered by sourcesHash; its behaviour, by the conformance
// suite.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const HEAD_BYTES = 8
/** Initial values of globals (how far the image reaches), and the image. */
const IMAGE_SECTIONS = new Set([6, 11])

/** Names of files that one of the two lacks, or whose code, imports, exports or tables differ. */
export function differences(shipped: string, rebuilt: string): string[] {
  const names = new Set([...filesIn(shipped), ...filesIn(rebuilt)])
  return [...names].filter((name) => {
    const [one, other] = [shipped, rebuilt].map((directory) => contentOf(directory, name))
    return !one || !other || !one.equals(other)
  })
}

export const filesIn = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => /\.(js|wasm)$/.test(name))
    .toSorted()

function contentOf(directory: string, name: string): Buffer | null {
  if (!filesIn(directory).includes(name)) return null
  const bytes = readFileSync(join(directory, name))
  return name.endsWith('.wasm') ? withoutImage(bytes) : bytes
}

/** A module's sections: an id, the length as LEB128, the content. */
function withoutImage(module: Buffer): Buffer {
  const kept = [module.subarray(0, HEAD_BYTES)]
  for (let at = HEAD_BYTES; at < module.length;) {
    const { value: length, end } = leb128(module, at + 1)
    if (!IMAGE_SECTIONS.has(module.readUInt8(at))) kept.push(module.subarray(at, end + length))
    at = end + length
  }
  return Buffer.concat(kept)
}

function leb128(bytes: Buffer, at: number): { value: number; end: number } {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes.readUInt8(at++)
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return { value, end: at }
  }
}
