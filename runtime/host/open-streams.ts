import { FlotillaError } from '../errors.ts'

export interface StreamLimits {
  readonly total: number
  readonly perClient: number
}

const AGAIN_MS = 5_000

/** Counts open streams, and answers that take long, in all and for each client: an address, or a user. */
export class OpenStreams {
  readonly #limits: StreamLimits
  readonly #byClient = new Map<string, number>()
  #total = 0

  constructor(limits: StreamLimits) {
    this.#limits = limits
  }

  /** Returns the function that releases the slot. Throws TOO_MANY_STREAMS. */
  take(client: string): () => void {
    const mine = this.#byClient.get(client) ?? 0
    if (this.#total >= this.#limits.total) throw full(`${this.#total} are open`)
    if (mine >= this.#limits.perClient) throw full(`${client} has ${mine} open`)
    this.#total++
    this.#byClient.set(client, mine + 1)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#total--
      const rest = (this.#byClient.get(client) ?? 1) - 1
      if (rest === 0) this.#byClient.delete(client)
      else this.#byClient.set(client, rest)
    }
  }
}

function full(what: string): FlotillaError {
  return new FlotillaError(
    'TOO_MANY_STREAMS',
    `no more streams, waiting requests and answers of this kind are taken now: ${what}`,
    {
      retryAfterMs: AGAIN_MS,
    },
  )
}
