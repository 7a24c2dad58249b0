// What commands read: a file that an argument names, or stdin for `-`. What can't be read is a mistake of the arguments.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import { shown } from '../../schemas/identity.ts'

/** A task has 10,000 characters, and a program not many more: a stream without an end must not fill the memory. */
const MAX_STDIN_BYTES = 10_000_000

/** All of stdin as UTF-8. Rejects with REQUEST_INVALID if it can't be read or has more than 10 MB. */
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
  if (size <= MAX_STDIN_BYTES) return Buffer.concat(parts).toString('utf8')
  throw new FlotillaError('REQUEST_INVALID', `stdin has more than ${MAX_STDIN_BYTES / 1_000_000} MB`)
}

/** The file as UTF-8. Throws NOT_FOUND, with the reason, if it can't be read. */
export function readText(path: string): string {
  return reading(path, () => readFileSync(path, 'utf8'))
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
