// Unpacks the body of a response. Some servers compress regardless of the request, and undici leaves bodies
// as they come.
import { Readable, pipeline, type Duplex } from 'node:stream'
import zlib from 'node:zlib'
import { FlotillaError } from '../../../runtime/errors.ts'

/** Sent with each request. */
export const ACCEPTED_ENCODINGS = 'gzip, deflate, br, zstd'
/** Responses are packed once, by mistake twice. More layers would let a small response grow without bound. */
const MAX_LAYERS = 2

// A body that ends early is returned as far as it goes.
const tolerant = { finishFlush: zlib.constants.Z_SYNC_FLUSH }

/** Deflate comes with zlib's header, as the standard says, and without. */
const unpackers: Readonly<Record<string, (first: Buffer) => Duplex>> = {
  gzip: () => zlib.createUnzip(tolerant),
  'x-gzip': () => zlib.createUnzip(tolerant),
  deflate: ([head = 0]) =>
    (head & 0x0f) === 8 ? zlib.createInflate(tolerant) : zlib.createInflateRaw(tolerant),
  br: () => zlib.createBrotliDecompress({ finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH }),
  zstd: () => zlib.createZstdDecompress({ finishFlush: zlib.constants.ZSTD_e_flush }),
}

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
  return layers.reduceRight((packed, layer) => unpackLayer(packed, layer, shown), body)
}

async function* unpackLayer(
  packed: AsyncIterable<Buffer>,
  layer: string,
  shown: string,
): AsyncIterable<Buffer> {
  const create = unpackers[layer]
  if (!create)
    throw new FlotillaError('TOOL_FAILED', `${shown} answered packed as ${layer}, which is not known`)
  const chunks = packed[Symbol.asyncIterator]()
  const first = await chunks.next()
  if (first.done) return
  const whole = Readable.from(
    (async function* () {
      yield first.value
      yield* { [Symbol.asyncIterator]: () => chunks }
    })(),
  )
  const stage = create(first.value)
  // Its errors reach the reader of the last stage.
  pipeline(whole, stage, () => {})
  try {
    for await (const chunk of stage as AsyncIterable<Buffer>) yield chunk
  } catch (error) {
    throw isOfZlib(error) ? notPacked(shown, layer, error) : error
  }
}

const isOfZlib = (error: unknown): error is Error =>
  error instanceof Error && /^(Z_|ERR_(_|BROTLI|ZLIB)|ZSTD)/.test((error as { code?: string }).code ?? '')

const notPacked = (shown: string, layer: string, cause: Error): FlotillaError =>
  new FlotillaError('TOOL_FAILED', `${shown} answered what is not ${layer}, as it says: ${cause.message}`, {
    cause,
  })
