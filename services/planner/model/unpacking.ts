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

/** Each has buffers of its own. */
const MAX_LAYERS = 4

/** A cut stream yields the part that had arrived; its missing end shows that it was cut. */
const CUT = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH }
const unpackers: Readonly<Record<string, () => Transform>> = {
  gzip: () => new ByFirstByte(gunzip),
  'x-gzip': () => new ByFirstByte(gunzip),
  deflate: () => new ByFirstByte(inflate),
  br: () =>
    createBrotliDecompress({
      flush: constants.BROTLI_OPERATION_FLUSH,
      finishFlush: constants.BROTLI_OPERATION_FLUSH,
    }),
  zstd: () => createZstdDecompress({ finishFlush: constants.ZSTD_e_flush }),
}

const GZIP = 0x1f
const ZLIB = 8

const gunzip = (first: number): Transform => (first === GZIP ? createUnzip(CUT) : new PassThrough())

/** Deflate with zlib's header, as the standard says, or without. */
const inflate = (first: number): Transform =>
  (first & 0x0f) === ZLIB ? createInflate(CUT) : createInflateRaw(CUT)

/** Whether a body is packed although its header does not say so. */
export const isGzip = ([first]: Uint8Array): boolean => first === GZIP

/** Unpacks by what the first byte shows. */
class ByFirstByte extends Transform {
  readonly #create: (first: number) => Transform
  #inner: Transform | null = null

  constructor(create: (first: number) => Transform) {
    super()
    this.#create = create
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#inner ??= this.#open(this.#create(chunk[0] ?? 0))
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
  const layers = names.toReversed().flatMap((name) => unpackers[name.trim()]?.() ?? [])
  const [input] = layers
  let output = input
  for (const layer of layers.slice(1)) if (output !== undefined) output = pipeline(output, layer, () => {})
  return input === undefined || output === undefined ? null : { input, output }
}
