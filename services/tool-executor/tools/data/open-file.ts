// A data file while a job reads it, in a thread (../parsing.ts): in chunks, any number of times.
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { FileToParse } from '../parsing.ts'
import { guessEncoding, isEncoding, type Guess } from './text-encoding.ts'

const CHUNK_BYTES = 256 * 1024

/** Identifies an unchanged file. */
export type Version = Pick<Stats, 'mtimeMs' | 'size' | 'ino'>

export const isSame = (a: Version, b: Version): boolean =>
  a.mtimeMs === b.mtimeMs && a.size === b.size && a.ino === b.ino

export class OpenFile {
  /** Its name in messages. */
  readonly name: string
  readonly version: Version
  readonly #descriptor: number

  constructor(name: string, version: Version, descriptor: number) {
    this.name = name
    this.version = version
    this.#descriptor = descriptor
  }

  /** The bytes from the start. A chunk is valid until the next one is asked for. */
  *bytes(): Generator<Buffer> {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    for (let at = 0; ;) {
      const length = readSync(this.#descriptor, buffer, 0, CHUNK_BYTES, at)
      if (length === 0) return
      yield buffer.subarray(0, length)
      at += length
    }
  }

  /** The text from the start, without a byte order mark. */
  *text(encoding: string): Generator<string> {
    const decoder = new TextDecoder(encoding)
    for (const chunk of this.bytes()) yield decoder.decode(chunk, { stream: true })
    yield decoder.decode()
  }

  /**
   * The encoding that the caller names, or the likeliest. Throws TOOL_FAILED or TOOL_ARGUMENTS_INVALID if
   * there is no decoder.
   */
  encoding(named: string | null): Guess {
    if (named !== null) {
      if (isEncoding(named)) return { encoding: named, undecodable: 0 }
      throw new FlotillaError(
        'TOOL_ARGUMENTS_INVALID',
        `there is no encoding ${named}; some are: utf-8, utf-16le, windows-1252, windows-1251, shift_jis, gb18030`,
      )
    }
    const guess = guessEncoding(this.bytes())
    if (guess.encoding !== 'utf-32') return guess as Guess
    throw this.unreadable('it is UTF-32; save it as UTF-8')
  }

  /** The first characters. */
  beginning(encoding: string, chars: number): string {
    let text = ''
    for (const part of this.text(encoding)) {
      text += part
      if (text.length >= chars) break
    }
    return text.slice(0, chars)
  }

  /** Throws TOOL_FAILED for a file of another kind, which would read as a strange text. */
  assertText(): void {
    const [head = Buffer.alloc(0)] = this.bytes()
    const kind = kindOf(head)
    if (kind !== null)
      throw this.unreadable(`it is ${kind}, whatever its name says; save it as text (CSV, JSON)`)
  }

  unreadable(why: string, cause?: unknown): FlotillaError {
    return unreadable(this.name, why, cause)
  }

  /** Throws TOOL_FAILED if the file was changed while it was read: its first part may not match the rest. */
  assertUnchanged(): void {
    if (!isSame(this.version, fstatSync(this.#descriptor)))
      throw this.unreadable('it changed while it was read; ask again')
  }
}

/** First bytes of files that are often named as text. */
const KINDS: readonly (readonly [start: string, kind: string])[] = [
  ['PK\x03\x04', 'a zip archive or an Excel workbook'],
  ['\x1f\x8b', 'packed with gzip'],
  ['\xd0\xcf\x11\xe0', 'an old Excel workbook'],
  ['%PDF-', 'a PDF'],
  ['PAR1', 'a Parquet file'],
  ['SQLite format 3', 'a SQLite database'],
  ['\x28\xb5\x2f\xfd', 'packed with zstd'],
  ['BZh91AY', 'packed with bzip2'],
  ['\xfd7zXZ', 'packed with xz'],
  ['7z\xbc\xaf', 'a 7z archive'],
  ['Rar!\x1a', 'a RAR archive'],
  ['Obj\x01', 'an Avro file'],
  ['ARROW1', 'an Arrow file'],
  ['\x89PNG', 'an image'],
  ['\xff\xd8\xff', 'an image'],
  ['GIF8', 'an image'],
  ['{\\rtf', 'a text with formatting (RTF)'],
]

function kindOf(head: Buffer): string | null {
  const start = head.subarray(0, 200).toString('latin1')
  const found = KINDS.find(([bytes]) => start.startsWith(bytes))
  if (found) return found[1]
  return /^(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html[\s>])/i.test(start) ? 'a web page' : null
}

const unreadable = (file: string, why: string, cause?: unknown) =>
  new FlotillaError('TOOL_FAILED', `${file} can't be read: ${why}`, { cause })

/** Checks the file's type once it is open: a pipe would be read forever. */
export async function withFile<T>(
  { path, file, maxBytes }: FileToParse,
  read: (open: OpenFile) => T | Promise<T>,
): Promise<T> {
  let descriptor: number | null = null
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stats = fstatSync(descriptor)
    if (!stats.isFile()) throw unreadable(file, 'it is not a file')
    const { mtimeMs, size, ino } = stats
    if (size > maxBytes)
      throw unreadable(
        file,
        `it has ${size} bytes, more than the limit of ${maxBytes} (maxFileBytes of the tool)`,
      )
    return await read(new OpenFile(file, { mtimeMs, size, ino }, descriptor))
  } catch (error) {
    if (error instanceof FlotillaError || error instanceof RangeError) throw error
    throw unreadable(file, (error as Error).message, error)
  } finally {
    if (descriptor !== null) closeSync(descriptor)
  }
}
