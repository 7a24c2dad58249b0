// What the first bytes of a body show of how it is packed: headers are wrong as often as servers and proxies are.
import { brotliDecompressSync, constants } from 'node:zlib'

/** Bytes that tell. What is packed has control characters among so many. */
const BEGINNING = 64

/** Whether the body begins as text does. */
export const beginsAsText = (bytes: Uint8Array): boolean =>
  bytes.subarray(0, BEGINNING).every((byte) => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d))

/** Tried of a body, and the most that may come of it. Bytes. */
const TRIED = { bytes: 4_096, maxOutputLength: 1_000_000 }

/** Whether the body begins as brotli does, which has no mark: its beginning is unpacked. */
export function beginsAsBrotli(bytes: Uint8Array): boolean {
  const finishFlush = constants.BROTLI_OPERATION_FLUSH
  try {
    brotliDecompressSync(bytes.subarray(0, TRIED.bytes), {
      finishFlush,
      maxOutputLength: TRIED.maxOutputLength,
    })
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE'
  }
}
