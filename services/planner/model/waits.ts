// When a provider wants a retry, from its headers, body or words.
//
// 1. Headers outweigh words; of the headers, those that name a wait outweigh those that say when a limit
//    resets.
// 2. A number may be seconds, or a point in time in seconds or milliseconds since 1970: its size decides.
// 3. No stated wait is longer than MAX_WAIT_MS: a longer one is a mistake, and clients are shown the figure.

export interface Hints {
  readonly status: number | undefined
  readonly header: (name: string) => string | null
  /** The provider's words. */
  readonly message?: string
  /** A duration in the body. */
  readonly retryDelay?: string | null
}

/** The longest limits of providers reset within a day. */
const MAX_WAIT_MS = 86_400_000

/** Milliseconds until the provider wants a retry; null if it does not say. */
export function retryAfterOf(hints: Hints, nowMs: number): number | null {
  const waitMs = namedWait(hints, nowMs) ?? (hints.status === 429 ? resetOf(hints.header, nowMs) : null)
  return waitMs === null ? null : Math.min(MAX_WAIT_MS, Math.max(0, waitMs))
}

function namedWait({ status, header, message = '', retryDelay = null }: Hints, nowMs: number): number | null {
  const exact = header('retry-after-ms')
  const exactMs = exact === null ? null : millisecondsMs(exact, nowMs)
  if (exactMs !== null) return exactMs
  const said = ['retry-after', 'x-retry-after', 'x-ratelimit-reset-after']
    .map(header)
    .find((one) => one !== null)
  const saidMs = said === undefined || said === null ? null : durationMs(said, nowMs)
  if (saidMs !== null) return saidMs
  const delayMs = retryDelay === null ? null : durationMs(retryDelay, nowMs)
  return delayMs ?? (status === 429 || status === 503 ? waitInWords(message) : null)
}

/** `Please try again in 7.66s`, `retry after 20 seconds`, `in 2m59.56s`, `wait 20 seconds`. */
function waitInWords(message: string): number | null {
  const found =
    /(?:(?:try again|retry)[^.\d]{0,20}?(?:in|after)|\bwait(?: for)?(?: at least)?)\s+((?:\d+(?:\.\d+)?\s*(?:ms|s|m|h|sec\w*|min\w*|hours?)\s*)+)/i
  const words = found.exec(message)?.[1]
  return words === undefined ? null : unitsMs(shortUnits(words))
}

/** `20 seconds` as `20s`. */
const shortUnits = (words: string): string =>
  words
    .toLowerCase()
    .replaceAll(/\s+/g, '')
    .replaceAll(/([smhd])[a-z]+/g, (all, unit: string) => (all === 'ms' || all === 'msec' ? 'ms' : unit))

/** When the used-up limit resets; if none is used up, the limit for tokens, which is reached first. */
function resetOf(header: Hints['header'], nowMs: number): number | null {
  const limits = ['requests', 'tokens'].map((unit) => {
    const reset = header(`x-ratelimit-reset-${unit}`) ?? header(`anthropic-ratelimit-${unit}-reset`)
    const remaining =
      header(`x-ratelimit-remaining-${unit}`) ?? header(`anthropic-ratelimit-${unit}-remaining`)
    return { resetMs: reset === null ? null : durationMs(reset, nowMs), usedUp: remaining?.trim() === '0' }
  })
  const usedUp = limits.filter((limit) => limit.usedUp && limit.resetMs !== null)
  if (usedUp.length > 0) return Math.max(...usedUp.map((limit) => limit.resetMs ?? 0))
  const general = header('x-ratelimit-reset') ?? header('ratelimit-reset')
  const generalMs = general === null ? null : durationMs(general, nowMs)
  return limits[1]?.resetMs ?? limits[0]?.resetMs ?? generalMs
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** September 2001: no wait is that many seconds or milliseconds long. */
const LEAST_EPOCH_S = 1e9
const LEAST_EPOCH_MS = 1e12

/** `20ms`, `7.66s`, `2m59.56s` (OpenAI, Groq), plain seconds, or a point in time: a date, or since 1970. */
function durationMs(text: string, nowMs: number): number | null {
  // A header that is sent twice arrives as a list; a date has a comma of its own.
  const said = /^\s*\d[\d.]*\s*,/.test(text) ? (text.split(',')[0] ?? '').trim() : text.trim()
  if (/^\d+(\.\d+)?$/.test(said)) {
    const number = Number(said)
    if (number >= LEAST_EPOCH_MS) return Math.max(0, Math.round(number - nowMs))
    return Math.round(number >= LEAST_EPOCH_S ? Math.max(0, number * 1_000 - nowMs) : number * 1_000)
  }
  const units = unitsMs(shortUnits(said))
  if (units !== null) return units
  // `Date.parse` makes a date of nearly any number.
  const date = /[a-z]/i.test(said) ? Date.parse(said) : Number.NaN
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs)
}

function millisecondsMs(text: string, nowMs: number): number | null {
  const number = Number.parseFloat(text)
  if (!(number >= 0)) return null
  return Math.round(number >= LEAST_EPOCH_MS ? Math.max(0, number - nowMs) : number)
}

function unitsMs(text: string): number | null {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return null
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
  return Math.round(
    parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS_MS[unit ?? ''] ?? 0), 0),
  )
}
