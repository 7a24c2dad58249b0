// Unpacks the body of a response. Some servers compress regardless of the request, and undici leaves bodies
// as they come.
import { pipeline, Readable } from 'node:stream'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { isEncoding, packingByMark } from '../../../../runtime/text/packing.ts'
import { isUnpackingError, Unpacking } from '../../../../runtime/text/unpacking.ts'

/** Sent with each request. */
export const ACCEPTED_ENCODINGS = 'gzip, deflate, br, zstd'
/** Responses are packed once, by mistake twice. More layers would let a small response grow without bound. */
const MAX_LAYERS = 2

/**
 * The unpacked body: read it in parts and stop at a limit, because it may be any number of times longer.
 * Throws TOOL_FAILED if it is not packed as the header says. `shown` stands for the URL.
 */
export function unpack(
  body: AsyncIterable<Buffer>,
  header: string | string[] | undefined,
  shown: string,
): AsyncIterable<Buffer> {
  const layers = String(header ?? '')
    .split(',')
    .map((layer) => layer.trim().toLowerCase())
    .filter((layer) => layer !== '' && layer !== 'identity')
  if (layers.length > MAX_LAYERS)
    throw new FlotillaError('TOOL_FAILED', `${shown} answered packed ${layers.length} times over`)
  if (layers.length === 0) return unpackUnnamed(body, shown)
  return layers.reduceRight((packed, layer) => unpackLayer(packed, layer, shown), body)
}

/** Objects that are stored packed are sent without a header that says so. */
async function* unpackUnnamed(body: AsyncIterable<Buffer>, shown: string): AsyncIterable<Buffer> {
  const begun = await begin(body)
  if (begun !== null) {
    const packing = packingByMark(begun.first)
    yield* packing === null ? begun.whole : unpackLayer(begun.whole, packing, shown)
  }
}

/** The first chunk, and all of them; null if there are none. */
async function begin(
  body: AsyncIterable<Buffer>,
): Promise<{ first: Buffer; whole: AsyncGenerator<Buffer> } | null> {
  const chunks = body[Symbol.asyncIterator]()
  const first = await chunks.next()
  if (first.done) return null
  async function* whole() {
    yield first.value as Buffer
    yield* { [Symbol.asyncIterator]: () => chunks }
  }
  return { first: first.value, whole: whole() }
}

async function* unpackLayer(
  packed: AsyncIterable<Buffer>,
  layer: string,
  shown: string,
): AsyncIterable<Buffer> {
  if (!isEncoding(layer))
    throw new FlotillaError('TOOL_FAILED', `${shown} answered packed as ${layer}, which is not known`)
  const stage = new Unpacking(layer)
  // Its errors reach the reader of the last stage.
  pipeline(Readable.from(packed), stage, () => {})
  try {
    for await (const chunk of stage as AsyncIterable<Buffer>) yield chunk
  } catch (error) {
    throw isUnpackingError(error) ? notPacked(shown, layer, error) : error
  }
}

const notPacked = (shown: string, layer: string, cause: Error): FlotillaError =>
  new FlotillaError('TOOL_FAILED', `${shown} answered what is not ${layer}, as it says: ${cause.message}`, {
    cause,
  })
