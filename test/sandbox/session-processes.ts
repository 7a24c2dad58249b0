// The processes of sessions below a zygote.
import { readFileSync } from 'node:fs'

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)

/** Processes at the end of a chain that begins with this one and holds a zygote: those of sessions, when there are any. */
export function sessionProcesses(pid: number): number[] {
  const children = childrenOf(pid)
  if (children.length > 0) return children.flatMap(sessionProcesses)
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('zygote.py') ? [pid] : []
}
