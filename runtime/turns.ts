/** Steps of a long loop between two yields: a few milliseconds, even with several such loops. */
const STEPS_IN_A_TURN = 200

/** Yields to other lanes, heartbeats and requests within a long loop, without a promise for each step. */
export class Turns {
  #steps = 0

  /** Before each step: a promise to wait for, now and then. */
  next(): Promise<void> | null {
    if (++this.#steps % STEPS_IN_A_TURN !== 0) return null
    return new Promise((resume) => setImmediate(resume))
  }
}
