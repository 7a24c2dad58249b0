// Whether the data file is still where the next process will look for it. SQLite goes on with a file that was removed, moved or
// replaced, and all that is committed from then on would be gone with this process.
//
// The file and its write-ahead log are held open to compare: a number alone may change on some file systems, and is given
// to another file once its own is gone. Closing drops this process's locks on the file, so it comes after the database.
import { closeSync, fstatSync, openSync, statSync } from 'node:fs'

interface Held {
  readonly path: string
  readonly file: number
}

export class DataFilePlace {
  readonly #held: Held[] = []

  /** Takes a file that this process has just opened as a database. */
  constructor(path: string) {
    for (const each of [path, `${path}-wal`]) {
      const file = opened(each)
      if (file !== null) this.#held.push({ path: each, file })
    }
  }

  /** The path of the first file that is no longer there; null: all are. */
  missing(): string | null {
    return this.#held.find((held) => !isInPlace(held))?.path ?? null
  }

  close(): void {
    for (const { file } of this.#held.splice(0)) closeSync(file)
  }
}

function opened(path: string): number | null {
  try {
    return openSync(path, 'r')
  } catch {
    return null
  }
}

/** True also if the file system doesn't say: only what is certain ends a fleet. */
function isInPlace({ path, file }: Held): boolean {
  try {
    const [ours, there] = [fstatSync(file), statSync(path)]
    return ours.ino === there.ino && ours.dev === there.dev
  } catch (error) {
    return !['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
  }
}
