// The import of a user's file that must come to an end: its code may wait forever at the top level, or end the process.
import { setImmediate } from 'node:timers/promises'
import { FlotillaError } from '../../errors.ts'

const IMPORT_MS = 60_000
/** As for every invalid configuration (cli/program/exit-codes.ts): an end with 0 would look like success. */
const EXIT_CODE = 78

/**
 * Rejects with CONFIG_INVALID after a minute, and at once where nothing is left that could end the wait; with its error
 * if the file leaves a promise that nobody handles. `name` is that of the file, in messages.
 */
export async function settled<T>(name: string, work: Promise<T>): Promise<T> {
  let end = (): void => {}
  const never = new Promise<never>((_, reject) => {
    const refuse = (why: string) => reject(new FlotillaError('CONFIG_INVALID', `${name}: ${why}`))
    const onIdle = () =>
      refuse('its import waits for something that never happens; see each await at its top level')
    const late = () =>
      refuse(`its import has not ended after ${IMPORT_MS / 1_000} s; see each await at its top level`)
    // Does not keep the process: without anything else to do, `onIdle` comes first.
    const timer = setTimeout(late, IMPORT_MS).unref()
    const onExit = (code: number) => onEarlyExit(name, code)
    // Before what looks at `endedEarly` then.
    process.on('beforeExit', onIdle).prependListener('exit', onExit)
    const restore = takeUnhandled(reject)
    end = () => {
      clearTimeout(timer)
      restore()
      process.off('beforeExit', onIdle).off('exit', onExit)
    }
  })
  try {
    return await Promise.race([andItsRejections(work), never])
  } finally {
    end()
  }
}

/** A promise that nobody handles is only known once the file has been run. */
async function andItsRejections<T>(work: Promise<T>): Promise<T> {
  const value = await work
  await setImmediate()
  return value
}

/** Nothing else runs while a file is imported: what is rejected and not handled is the file's. Returns what restores. */
function takeUnhandled(take: (error: unknown) => void): () => void {
  const event = 'unhandledRejection'
  const others = process.listeners(event)
  process.removeAllListeners(event).on(event, take)
  return () => {
    process.off(event, take)
    for (const other of others) process.on(event, other)
  }
}

let ended: string | null = null

/** Asked at the exit of the process: why a file that it was importing has ended it; null if none has. */
export const endedEarly = (): string | null => ended

function onEarlyExit(name: string, code: number): void {
  ended = `${name}: it ends the process while it is imported; take the exit out of it`
  // With another code it is seen to have failed.
  if (code !== 0) return
  process.stderr.write(`CONFIG_INVALID: ${ended}\n`)
  process.exitCode = EXIT_CODE
}
