// Unpacks the body of a response. Some servers compress regardless of the request, and undici leaves bodies
// as they come.
import { PassThrough, Readable, pipeline, type Duplex } from 'node:stream'
import zlib from 'node:zlib'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { beginsAsBrotli, beginsAsText } from '../../../../runtime/text/packing.ts'

/** Sent with each request. */
export const ACCEPTED_ENCODINGS = 'gzip, deflate, br, zstd'
/** Responses are packed once, by mistake twice. More layers would let a small response grow without bound. */
const MAX_LAYERS = 2

// A body that ends early is returned as far as it goes.
const tolerant = { finishFlush: zlib.constants.Z_SYNC_FLUSH }

const gunzip = (): Duplex => zlib.createUnzip(tolerant)
const unzstd = (): Duplex => zlib.createZstdDecompress({ finishFlush: zlib.constants.ZSTD_e_flush })

/**
 * Deflate comes with zlib's header, as the standard says, and without. A proxy that has unpacked a body leaves the
 * header as it was.
 */
const unpackers: Readonly<Record<string, (first: Buffer) => Duplex>> = {
  gzip: (first) => plain(first) ?? gunzip(),
  'x-gzip': (first) => plain(first) ?? gunzip(),
  deflate: ([head = 0]) =>
    (head & 0x0f) === 8 ? zlib.createInflate(tolerant) : zlib.createInflateRaw(tolerant),
  br: (first) =>
    (beginsAsBrotli(first) ? null : plain(first)) ??
    zlib.createBrotliDecompress({ finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH }),
  zstd: (first) => (first[0] === 0x28 ? null : plain(first)) ?? unzstd(),
}

/** For a body that is text; null for others. */
const plain = (first: Buffer): Duplex | null => (beginsAsText(first) ? new PassThrough() : null)

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

const isGzip = ([a, b]: Buffer): boolean => a === 0x1f && b === 0x8b

/** Objects that are stored packed are sent without a header that says so. No text begins as gzip does. */
async function* unpackUnnamed(body: AsyncIterable<Buffer>, shown: string): AsyncIterable<Buffer> {
  const begun = await begin(body)
  if (begun !== null) yield* isGzip(begun.first) ? unpackLayer(begun.whole, 'gzip', shown) : begun.whole
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
  const create = unpackers[layer]
  if (!create)
    throw new FlotillaError('TOOL_FAILED', `${shown} answered packed as ${layer}, which is not known`)
  const begun = await begin(packed)
  if (begun === null) return
  const whole = Readable.from(begun.whole)
  const stage = create(begun.first)
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
