// Unpacks the body of an answer as its content-encoding says, or as it is packed (runtime/text/packing.ts).
import { pipeline, type Transform } from 'node:stream'
import { isEncoding } from '../../../runtime/text/packing.ts'
import { Unpacking } from '../../../runtime/text/unpacking.ts'

/** Each has buffers of its own. */
const MAX_LAYERS = 4

/** An error of either end destroys both, and `output` emits it. */
export interface Unpacker {
  readonly input: Transform
  readonly output: Transform
}

/**
 * Null if nothing is packed. Encodings are undone in the reverse of the order in which they are named. Throws if
 * there are too many.
 */
export function unpackerFor(encodings: string): Unpacker | null {
  const names = encodings.toLowerCase().split(',')
  if (names.length > MAX_LAYERS) {
    const message = `it is packed ${names.length} times over`
    throw Object.assign(new Error(message), { code: 'ERR_ZLIB_LAYERS' })
  }
  const layers = names.toReversed().flatMap((name) => {
    const encoding = name.trim()
    return isEncoding(encoding) ? new Unpacking(encoding) : []
  })
  const [input] = layers
  let output: Transform | undefined = input
  for (const layer of layers.slice(1)) if (output !== undefined) output = pipeline(output, layer, () => {})
  return input === undefined || output === undefined ? null : { input, output }
}
