import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

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
