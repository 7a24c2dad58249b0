// Downloads and built artefacts of the tests, kept across runs.
//
// 1. A directory is named by the checksum of what it is built from, so a changed input never meets an old artefact.
// 2. A directory appears by one rename, complete; a build that dies leaves nothing under that name.
// 3. Two processes that want the same artefact build it once: the second waits while the first one lives.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const repository = resolve(import.meta.dirname, '../..')

/** `FLOTILLA_CACHE`, or `.cache/` in the repository. */
export const cacheRoot = (): string => resolve(process.env['FLOTILLA_CACHE'] || join(repository, '.cache'))

/** The directory that `build` filled for exactly these inputs; built on first use. */
export async function cached(
  name: string,
  inputs: readonly string[],
  build: (directory: string) => Promise<void>,
): Promise<string> {
  const checksum = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16)
  const target = join(cacheRoot(), `${name}-${checksum}`)
  mkdirSync(cacheRoot(), { recursive: true })
  while (!existsSync(target)) {
    if (takeLock(`${target}.lock`)) await buildInto(target, build)
    else await delay(100)
  }
  return target
}

async function buildInto(target: string, build: (directory: string) => Promise<void>): Promise<void> {
  const draft = `${target}.draft-${process.pid}`
  try {
    // Another process may have finished between the caller's look and the lock.
    if (existsSync(target)) return
    mkdirSync(draft, { recursive: true })
    await build(draft)
    renameSync(draft, target)
  } finally {
    rmSync(draft, { recursive: true, force: true })
    rmSync(`${target}.lock`, { force: true })
  }
}

/** True: ours. False: a living process holds it, or a dead one's was just removed and the next try may get it. */
function takeLock(path: string): boolean {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    if (!holderLives(path)) rmSync(path, { force: true })
    return false
  }
}

function holderLives(path: string): boolean {
  try {
    const pid = Number(readFileSync(path, 'utf8'))
    // Created but not yet written counts as living.
    return pid === 0 || existsSync(`/proc/${pid}`) || signalReaches(pid)
  } catch {
    return true
  }
}

function signalReaches(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
