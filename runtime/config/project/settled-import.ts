// The import of a user's file that must come to an end: its code may wait forever at the top level, or end the process.
import { FlotillaError } from '../../errors.ts'

const IMPORT_MS = 60_000
/** As for every invalid configuration (cli/program/exit-codes.ts): an end with 0 would look like success. */
const EXIT_CODE = 78

/**
 * Rejects with CONFIG_INVALID after a minute, and at once where nothing is left that could end the wait. `name` is that
 * of the file, in messages.
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
    process.on('beforeExit', onIdle).on('exit', onExit)
    end = () => {
      clearTimeout(timer)
      process.off('beforeExit', onIdle).off('exit', onExit)
    }
  })
  try {
    return await Promise.race([work, never])
  } finally {
    end()
  }
}

function onEarlyExit(name: string, code: number): void {
  if (code !== 0) return
  process.stderr.write(
    `CONFIG_INVALID: ${name}: it ends the process while it is imported; take the exit out of it\n`,
  )
  process.exitCode = EXIT_CODE
}
