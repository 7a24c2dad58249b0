// Mistakes of a data set: all of them are reported at once, each with its place.
import { FlotillaError } from '../../runtime/errors.ts'

const SHOWN = 50

/** `line 3: input is missing`. */
export class Mistakes {
  readonly #found: string[] = []

  add(place: string, mistake: string): void {
    this.#found.push(`${place}: ${mistake}`)
  }

  /** Throws REQUEST_INVALID with every mistake. */
  throwIfAny(path: string): void {
    if (this.#found.length > 0) throw refusal(path, this.#found)
  }
}

export function refusal(path: string, mistakes: readonly string[]): FlotillaError {
  const shown = mistakes.slice(0, SHOWN)
  const more = mistakes.length > SHOWN ? [`and ${mistakes.length - SHOWN} more`] : []
  return new FlotillaError('REQUEST_INVALID', `${path} can't be used:\n  ${[...shown, ...more].join('\n  ')}`)
}
