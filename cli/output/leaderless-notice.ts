import { paint, say } from './output.ts'

/** After figures that lack these partitions, such as `tasks.admitted[3]`, because no broker leads them. */
export function sayLeaderless(partitions: readonly string[]): void {
  if (partitions.length === 0) return
  const which = partitions.join(', ')
  const remedy = 'start the brokers that hold them (docs/runbooks/input_blocked.md)'
  say(paint('yellow', `Not counted, because no broker leads them: ${which}; ${remedy}.`))
}
