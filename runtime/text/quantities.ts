// Counts and times in messages, as people read them.

/** `1 step`, `3 steps`, `1,200 tokens`. */
export const plural = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString('en-US')} ${number === 1 ? one : many}`

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** A limit, exactly as it was set: 250 ms, 1.5 s, 60 s, 5 min, 2 h. */
export function exactTime(ms: number): string {
  if (ms < SECOND_MS) return `${ms} ms`
  if (ms >= 2 * HOUR_MS && ms % HOUR_MS === 0) return `${ms / HOUR_MS} h`
  return ms >= 2 * MINUTE_MS && ms % MINUTE_MS === 0 ? `${ms / MINUTE_MS} min` : `${ms / SECOND_MS} s`
}
