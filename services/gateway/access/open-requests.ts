import type { ServerResponse } from 'node:http'
import { FRESH_MS } from './keys.ts'

const OPEN_EVERY_MS = 1_000

/** Whether the client is still let in. */
export type StillGood = () => Promise<boolean>

interface OpenRequest {
  readonly response: ServerResponse
  readonly sinceMs: number
  readonly isStillGood: StillGood
}

/**
 * Requests that are being answered: a stream lasts longer than a key may. Its connection is closed once its key is
 * revoked or its token has expired; the client's next request gets the reason. While that can't be found out,
 * because the database is away, it goes on.
 */
export class OpenRequests {
  readonly #open = new Set<OpenRequest>()
  readonly #now: () => number
  readonly #timer = setInterval(() => this.#endStale(), OPEN_EVERY_MS).unref()

  /** `now`: milliseconds that only grow. */
  constructor(now: () => number) {
    this.#now = now
  }

  add(response: ServerResponse, isStillGood: StillGood): void {
    if (response.destroyed) return
    const request = { response, sinceMs: this.#now(), isStillGood }
    this.#open.add(request)
    response.once('close', () => this.#open.delete(request))
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #endStale(): void {
    const before = this.#now() - FRESH_MS
    for (const { response, sinceMs, isStillGood } of this.#open)
      if (sinceMs <= before)
        void isStillGood().then(
          (isGood) => (isGood ? undefined : response.destroy()),
          () => undefined,
        )
  }
}
