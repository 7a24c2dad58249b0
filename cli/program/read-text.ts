// What commands read: a file that an argument names, or stdin for `-`. What can't be read is a mistake of the arguments.
import { isUtf8 } from 'node:buffer'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { TextDecoder } from 'node:util'
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import { shown } from '../../schemas/identity.ts'

/** A task has 10,000 characters, and a program not many more: a stream without an end must not fill the memory. */
const MAX_STDIN_BYTES = 10_000_000

/** All of stdin as text. Rejects with REQUEST_INVALID if it can't be read, is no text, or has more than 10 MB. */
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
  if (size <= MAX_STDIN_BYTES) return textIn(Buffer.concat(parts), 'stdin')
  throw new FlotillaError('REQUEST_INVALID', `stdin has more than ${MAX_STDIN_BYTES / 1_000_000} MB`)
}

/** The file as text. Throws NOT_FOUND, with the reason, if it can't be read, REQUEST_INVALID if it is no text. */
export function readText(path: string): string {
  return textIn(
    reading(path, () => readFileSync(path)),
    shown(path),
  )
}

/**
 * UTF-8, or UTF-16 where a mark says so, as some shells write what they pass on. Without the mark; bytes of another encoding
 * would become other characters in silence.
 */
function textIn(bytes: Buffer, what: string): string {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes)
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes)
  if (isUtf8(bytes)) return new TextDecoder().decode(bytes)
  throw new FlotillaError('REQUEST_INVALID', `${what} is not in UTF-8: convert it`)
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
