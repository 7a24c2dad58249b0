/** Time as the host sees it; the simulator has its own. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number
  /** Runs `fn` once after `delayMs`; the returned function cancels it. */
  schedule(delayMs: number, fn: () => void): () => void
}

/** setTimeout counts in 32 bits; a longer wait is cut here and its owner schedules the rest. */
const MAX_DELAY_MS = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  schedule: (delayMs, fn) => {
    if (delayMs >= LONG_WAIT_MS) return scheduleLong(Math.min(delayMs, MAX_DELAY_MS), fn)
    const timer = setTimeout(fn, Math.max(0, delayMs))
    return () => clearTimeout(timer)
  },
}

/**
 * Most long waits are time limits, which are cancelled. A timer for each costs more than all else in a short call, because
 * Node keeps a list for every delay. So those that are due within one second share the timer of that second, at whose
 * beginning each that is left gets its own.
 */
const LONG_WAIT_MS = 2_000
const SECOND_MS = 1_000

interface Wait {
  readonly fn: () => void
  /** By the monotonic clock, as timers are. */
  readonly dueMs: number
  cancel: () => void
}

interface Second {
  readonly waits: Set<Wait>
  readonly timer: NodeJS.Timeout
}

const seconds = new Map<number, Second>()

function scheduleLong(delayMs: number, fn: () => void): () => void {
  const dueMs = performance.now() + delayMs
  const number = Math.floor(dueMs / SECOND_MS)
  const second = seconds.get(number) ?? openSecond(number)
  const { waits, timer } = second
  const leave = (): void => {
    // A second without waits must not keep the process alive.
    if (waits.delete(wait) && waits.size === 0) timer.unref()
  }
  const wait: Wait = { fn, dueMs, cancel: leave }
  if (waits.size === 0) timer.ref()
  waits.add(wait)
  return () => wait.cancel()
}

function openSecond(number: number): Second {
  const begin = (): void => {
    seconds.delete(number)
    for (const wait of second.waits) {
      const timer = setTimeout(wait.fn, Math.max(0, wait.dueMs - performance.now()))
      wait.cancel = () => clearTimeout(timer)
    }
  }
  const timer = setTimeout(begin, Math.max(0, number * SECOND_MS - performance.now()))
  const second = { waits: new Set<Wait>(), timer }
  seconds.set(number, second)
  return second
}

export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.schedule(delayMs, resolve))
}
