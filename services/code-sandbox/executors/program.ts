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
 * namespaces, leaves a second process that waits forever for the first and holds its pipes.
 */
export function killGroup(leader: ChildProcess): void {
  if (leader.pid === undefined) return
  try {
    process.kill(-leader.pid, 'SIGKILL')
  } catch {
    // The group has no process left.
  }
}
