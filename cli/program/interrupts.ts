// Ctrl-C of commands that leave something behind: the first ends them in good order where that takes a while, the
// second at once, and what they print last says how to go on.
import { exitCodes } from './exit-codes.ts'
import { paint, say } from '../output/output.ts'

export interface Interruptible {
  /** Takes the status line off the terminal. */
  readonly clear?: () => void
  /** How to go on, for the person who left. */
  readonly left: () => string
}

/** Ends the command at once, with how to go on. */
export function leave({ clear, left }: Interruptible): never {
  clear?.()
  say(paint('yellow', left()))
  process.exit(exitCodes.interrupted.code)
}

/** The first Ctrl-C leaves. Returns what takes that back. */
export function leaveOnInterrupt(what: Interruptible): () => void {
  const onInterrupt = () => leave(what)
  process.on('SIGINT', onInterrupt)
  return () => process.off('SIGINT', onInterrupt)
}

/** The first Ctrl-C calls `first`, the second leaves. Returns what takes that back. */
export function endOnInterrupt(first: () => void, what: Interruptible): () => void {
  let isEnding = false
  const onInterrupt = () => {
    if (isEnding) leave(what)
    isEnding = true
    first()
  }
  process.on('SIGINT', onInterrupt)
  return () => process.off('SIGINT', onInterrupt)
}
