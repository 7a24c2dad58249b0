import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { FlotillaError } from '../../../runtime/errors.ts'

/** The path of a program, or null if it is not on PATH. */
export function programOnPath(name: string, path = process.env['PATH'] ?? ''): string | null {
  const found = path.split(delimiter).map((folder) => join(folder, name))
  return found.find((candidate) => existsSync(candidate)) ?? null
}

/**
 * Kills a process that was started `detached`, with its children: bubblewrap, killed while it builds its
 * namespaces, leaves a second process that waits forever for the first and holds its pipes. Does nothing once
 * all of them have ended: the system gives their number to other processes.
 */
export function groupKiller(leader: Pick<ChildProcess, 'pid' | 'once'>): () => void {
  const { pid } = leader
  let ended = false
  leader.once('close', () => (ended = true))
  return () => {
    if (pid === undefined || ended) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // The group has no process left.
    }
  }
}

/**
 * A process that was just started. Throws SANDBOX_UNAVAILABLE where this one may open no more files: Node then returns a
 * child without pipes, whose error comes later and would end this process.
 */
export function withPipes<C extends ChildProcess>(child: C): C {
  const { stdout }: Partial<ChildProcess> = child
  if (stdout) return child
  child.once('error', () => {})
  throw new FlotillaError(
    'SANDBOX_UNAVAILABLE',
    'too many files are open in this process to start the Python sandbox; raise its limit (ulimit -n)',
  )
}
