// Unpacks the body of an answer as its content-encoding says.
//
// What the body begins with outweighs the header where no text can begin so: servers and proxies pack without
// saying so, and unpack without taking the header away.
import { PassThrough, pipeline, Transform, type TransformCallback } from 'node:stream'
import {
  constants,
  createBrotliDecompress,
  createInflate,
  createInflateRaw,
  createUnzip,
  createZstdDecompress,
} from 'node:zlib'
import { beginsAsBrotli, beginsAsText } from '../../../runtime/text/packing.ts'

/** Each has buffers of its own. */
const MAX_LAYERS = 4

/** A cut stream yields the part that had arrived; its missing end shows that it was cut. */
const CUT = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH }
const BROTLI_CUT = {
  flush: constants.BROTLI_OPERATION_FLUSH,
  finishFlush: constants.BROTLI_OPERATION_FLUSH,
}

type Begun = (chunk: Buffer) => Transform

/** Each by how the body begins: one that is packed in another way than named, or not at all, is read all the same. */
const unpackers: Readonly<Record<string, Begun>> = {
  gzip: (chunk) => otherwise(chunk) ?? createUnzip(CUT),
  'x-gzip': (chunk) => otherwise(chunk) ?? createUnzip(CUT),
  deflate: (chunk) => byMark(chunk) ?? inflate(chunk),
  br: (chunk) => (beginsAsBrotli(chunk) ? null : otherwise(chunk)) ?? createBrotliDecompress(BROTLI_CUT),
  zstd: (chunk) => (isFrame(chunk) ? null : otherwise(chunk)) ?? unzstd(),
}

const GZIP = 0x1f
const ZLIB = 8
/** First byte of a frame of zstd, and of those that hold no data. */
const ZSTD = 0x28
const SKIPPED = 0x5

const unzstd = (): Transform => createZstdDecompress({ finishFlush: constants.ZSTD_e_flush })

const isFrame = ([first = 0]: Uint8Array): boolean => first === ZSTD || first >> 4 === SKIPPED

/** Deflate with zlib's header, as the standard says, or without. */
const inflate = ([first = 0]: Uint8Array): Transform =>
  (first & 0x0f) === ZLIB ? createInflate(CUT) : createInflateRaw(CUT)

/** How a body is packed that begins so, even if its header does not say so; null if nothing shows it. */
export function packingOf([first, second]: Uint8Array): 'gzip' | 'zstd' | null {
  if (first === GZIP) return 'gzip'
  return first === ZSTD && second === 0xb5 ? 'zstd' : null
}

/** Null if the body is neither text nor packed in a way that shows. */
const otherwise = (chunk: Buffer): Transform | null =>
  byMark(chunk) ?? (beginsAsText(chunk) ? new PassThrough() : null)

function byMark(chunk: Buffer): Transform | null {
  const packing = packingOf(chunk)
  if (packing === null) return null
  return packing === 'gzip' ? createUnzip(CUT) : unzstd()
}

/** Unpacks by what the first bytes show. */
class ByBeginning extends Transform {
  readonly #create: Begun
  #inner: Transform | null = null

  constructor(create: Begun) {
    super()
    this.#create = create
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#inner ??= this.#open(this.#create(chunk))
    this.#inner.write(chunk, done)
  }

  override _flush(done: TransformCallback): void {
    if (this.#inner === null || this.#inner.readableEnded) return done()
    this.#inner.once('end', done)
    this.#inner.end()
  }

  override _destroy(error: Error | null, done: TransformCallback): void {
    this.#inner?.destroy()
    done(error)
  }

  #open(inner: Transform): Transform {
    inner.on('data', (unpacked: Buffer) => this.push(unpacked))
    // It ends by itself if something follows what is packed, and takes no more.
    inner.on('end', () => this.push(null))
    inner.on('error', (error) => this.destroy(error))
    return inner
  }
}

/** The body is not packed as its content-encoding says. */
export const isUnpackingError = (error: unknown): error is Error =>
  error instanceof Error && /^(Z_|ERR_(_|BROTLI|ZLIB)|ZSTD)/.test((error as { code?: string }).code ?? '')

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
    const create = unpackers[name.trim()]
    return create === undefined ? [] : new ByBeginning(create)
  })
  const [input] = layers
  let output = input
  for (const layer of layers.slice(1)) if (output !== undefined) output = pipeline(output, layer, () => {})
  return input === undefined || output === undefined ? null : { input, output }
}
