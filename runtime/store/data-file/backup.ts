// A copy of the data file as it was at one moment, taken beside the process that writes it.
import { closeSync, existsSync, linkSync, openSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { shown } from '../../../schemas/identity.ts'
import { FlotillaError, messageOf } from '../../errors.ts'
import { makeDirectory } from '../../make-directory.ts'
import { dataFileIn, hasDataFile, inspectDataFile } from './data-file.ts'

export interface DataFileCopy {
  readonly path: string
  readonly bytes: number
}

/** All pages in one step: a copy in several would begin again whenever the fleet commits in between. */
const ALL_PAGES = 2 ** 31 - 1
const PRIVATE = 0o600

/**
 * Copies what `dataDir` holds into `target`, a directory that a fleet can then be started on. One read of the file: the
 * fleet goes on writing meanwhile, and what it commits later is not in the copy. The copy is whole before it has its
 * name. Throws NOT_FOUND if there is no fleet's file, REQUEST_INVALID if `target` holds one already, LOG_UNAVAILABLE
 * if the disk refuses or the copy is damaged.
 */
export async function copyDataFile(dataDir: string, target: string): Promise<DataFileCopy> {
  if (!hasDataFile(dataDir))
    throw new FlotillaError(
      'NOT_FOUND',
      `${dataDir} holds no data of a fleet; FLOTILLA_DATA names its directory`,
    )
  if (hasDataFile(target))
    throw new FlotillaError('REQUEST_INVALID', `${target} holds a fleet's data already; name a new directory`)
  inspectDataFile(dataDir)
  const path = dataFileIn(target)
  const draft = join(target, `backup-${process.pid}.draft`)
  try {
    makeDirectory(target, { mode: 0o700 })
    await copy(dataFileIn(dataDir), draft)
    check(draft)
    // Unlike a rename, it refuses to take the place of another copy.
    linkSync(draft, path)
    return { path, bytes: statSync(path).size }
  } catch (cause) {
    const reason = `copying ${dataFileIn(dataDir)} to ${shown(path)}: ${messageOf(cause)}`
    const isOfTarget = cause instanceof Error && 'syscall' in cause
    throw new FlotillaError('LOG_UNAVAILABLE', isOfTarget ? `${reason}; name another directory` : reason, {
      cause,
    })
  } finally {
    if (existsSync(draft)) rmSync(draft)
  }
}

async function copy(from: string, to: string): Promise<void> {
  const source = new DatabaseSync(from, { readOnly: true, timeout: 5_000 })
  try {
    // Nobody else may read it while it grows, and what stands in its place is not written to.
    closeSync(openSync(to, 'wx', PRIVATE))
    await backup(source, to, { rate: ALL_PAGES })
  } finally {
    source.close()
  }
}

function check(path: string): void {
  const db = new DatabaseSync(path)
  try {
    // A file of its own, without a log beside it, until a fleet opens it.
    db.exec('PRAGMA journal_mode = DELETE')
    const found = db.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
    if (found !== 'ok') throw new Error(`the copy is damaged: ${String(found)}`)
  } finally {
    db.close()
  }
}
