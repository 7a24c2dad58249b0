// Unpacks a body whose content-encoding names one encoding.
//
// 1. It is packed as its first bytes show (packing.ts). They may come one by one: a few are gathered.
// 2. A body that is cut yields what had arrived of it: its reader knows what is missing.
// 3. It may be several members of gzip, or frames of zstd, one behind the other. zlib reads on behind a member, and ends behind
//    a frame.
// 4. It is unpacked as its reader takes it.
import { PassThrough, Transform, type TransformCallback } from 'node:stream'
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib'
import { packingByMark, packingOf, TELLING_BYTES, type Encoding, type Packing } from './packing.ts'

const CUT = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH }
const BROTLI_CUT = {
  flush: constants.BROTLI_OPERATION_FLUSH,
  finishFlush: constants.BROTLI_OPERATION_FLUSH,
}

type Unpacker = Transform & { readonly bytesWritten?: number }

const unpackers: Readonly<Record<Packing, () => Unpacker>> = {
  gzip: () => createGunzip(CUT),
  zlib: () => createInflate(CUT),
  deflate: () => createInflateRaw(CUT),
  br: () => createBrotliDecompress(BROTLI_CUT),
  zstd: () => createZstdDecompress({ finishFlush: constants.ZSTD_e_flush }),
}

const nothing: Buffer = Buffer.alloc(0)

/** Takes the body, and yields it unpacked. Emits an error of zlib (`isUnpackingError`) for one that is not packed. */
export class Unpacking extends Transform {
  readonly #named: Encoding
  /** Too few bytes to see how it is packed. */
  #beginning = nothing
  #packing: Packing | null = null
  #inner: Unpacker | null = null
  /** Bytes given to it. */
  #given = 0
  #last = nothing
  #done: TransformCallback | null = null
  /** Frames before this one have ended. */
  #hasFrame = false
  /** What follows is no part of the body. */
  #isOver = false

  constructor(named: Encoding) {
    super()
    this.#named = named
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    if (this.#isOver) return done()
    this.#done = done
    if (this.#inner !== null) return this.#give(chunk)
    this.#beginning = this.#beginning.length === 0 ? chunk : Buffer.concat([this.#beginning, chunk])
    if (this.#isTelling()) this.#begin()
    else this.#taken()
  }

  override _flush(done: TransformCallback): void {
    if (this.#isOver) return done()
    this.#done = done
    if (this.#inner === null && this.#beginning.length > 0) this.#begin(true)
    if (this.#inner === null) this.#taken()
    else this.#inner.end()
  }

  override _read(size: number): void {
    this.#inner?.resume()
    super._read(size)
  }

  override _destroy(error: Error | null, done: TransformCallback): void {
    this.#inner?.destroy()
    done(error)
  }

  /** Whether it has begun far enough. */
  #isTelling(): boolean {
    if (this.#beginning.length >= TELLING_BYTES) return true
    return this.#named !== 'br' && packingByMark(this.#beginning) !== null
  }

  #begin(isWhole = false): void {
    this.#packing = packingOf(this.#beginning, this.#named, isWhole)
    this.#open()
    this.#give(this.#beginning)
    this.#beginning = nothing
  }

  #open(): void {
    const inner = this.#packing === null ? new PassThrough() : unpackers[this.#packing]()
    this.#inner = inner
    this.#given = 0
    inner.on('data', (unpacked: Buffer) => {
      if (!this.push(unpacked)) inner.pause()
    })
    inner.on('end', () => this.#ended(inner))
    inner.on('error', (error) => this.#failed(error))
  }

  #give(bytes: Buffer): void {
    const inner = this.#inner
    this.#last = bytes
    this.#given += bytes.length
    inner?.write(bytes, (error) => {
      // Where it has left some it ends, or has ended.
      if (!error && inner === this.#inner && this.#leftBy(inner) === 0) this.#taken()
    })
  }

  #leftBy({ bytesWritten = this.#given }: Unpacker): number {
    return this.#given - bytesWritten
  }

  #taken(): void {
    const done = this.#done
    this.#done = null
    done?.()
  }

  /** The body has ended, or something follows what is packed. */
  #ended(inner: Unpacker): void {
    const left = this.#leftBy(inner)
    if (left === 0 || this.#packing !== 'zstd') return this.#finish()
    this.#hasFrame = true
    this.#open()
    this.#give(this.#last.subarray(this.#last.length - left))
  }

  #failed(error: Error): void {
    if (this.#hasFrame && error.message === 'Unknown frame descriptor') this.#finish()
    else this.destroy(error)
  }

  #finish(): void {
    this.#isOver = true
    this.push(null)
    this.#taken()
  }
}

/** The body is not packed as its content-encoding says. */
export const isUnpackingError = (error: unknown): error is Error =>
  error instanceof Error && /^(Z_|ERR_(_|BROTLI|ZLIB)|ZSTD)/.test((error as { code?: string }).code ?? '')
