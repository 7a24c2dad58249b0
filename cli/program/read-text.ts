// What commands read: a file that an argument names, or stdin for `-`. What can't be read is a mistake of the arguments.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import { shown } from '../../schemas/identity.ts'

/** A task has 10,000 characters, and a program not many more: a stream without an end must not fill the memory. */
const MAX_STDIN_BYTES = 10_000_000

const marks: readonly (readonly [mark: string, encoding: string])[] = [
  ['fffe', 'utf-16le'],
  ['feff', 'utf-16be'],
]

/** UTF-8, or UTF-16 behind its byte order mark, as programs of Windows write it; without the mark. */
export function textOf(bytes: Buffer): string {
  const begins = bytes.toString('hex', 0, 2)
  const encoding = marks.find(([mark]) => begins === mark)?.[1] ?? 'utf-8'
  return new TextDecoder(encoding).decode(bytes)
}

/** All of stdin as text. Rejects with REQUEST_INVALID if it can't be read or has more than 10 MB. */
export async function readStdin(): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  try {
    for await (const part of process.stdin as AsyncIterable<Buffer>) {
      size += part.length
      if (size > MAX_STDIN_BYTES) break
      parts.push(part)
    }
  } catch (cause) {
    throw new FlotillaError('REQUEST_INVALID', `reading stdin: ${messageOf(cause)}`, { cause })
  }
  if (size <= MAX_STDIN_BYTES) return textOf(Buffer.concat(parts))
  throw new FlotillaError('REQUEST_INVALID', `stdin has more than ${MAX_STDIN_BYTES / 1_000_000} MB`)
}

/** The file as text. Throws NOT_FOUND, with the reason, if it can't be read. */
export function readText(path: string): string {
  return reading(path, () => textOf(readFileSync(path)))
}

/** Names of the files in this directory; null if it is a file. Throws NOT_FOUND if it is neither. */
export function namesIn(path: string): string[] | null {
  return reading(path, () => (statSync(path).isDirectory() ? readdirSync(path) : null))
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    // Node's message has the path, whole.
    const { code } = cause as NodeJS.ErrnoException
    const why = code === undefined ? messageOf(cause) : messageOf(cause).replace(/, \w+ '.*'$/s, '')
    throw new FlotillaError('NOT_FOUND', `${shown(path)} can't be read: ${why}`, { cause })
  }
}
