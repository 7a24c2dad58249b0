// Numbers with their units, and times in the viewer's zone.

const whole = new Intl.NumberFormat('en')
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const otherYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' })

const UNKNOWN = '–'

// Figures come from events and ledgers, so that a stage with a fault may have written anything: what is no figure, or
// so large that it can be none, is shown as such, and never ends the page.
const isFigure = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

/** Larger figures are written with a power of ten: nobody counts digits. */
const MOST = 1e15
const power = (value: number): string => value.toExponential(1).replace('e+', 'e')

export function count(value: number): string {
  if (!isFigure(value)) return UNKNOWN
  if (Math.abs(value) >= MOST) return power(value)
  return Math.abs(value) < 10_000 ? whole.format(value) : compact.format(value)
}

/** A score or the like, with so many digits. */
export function figure(value: number | null, digits = 2): string {
  if (!isFigure(value)) return UNKNOWN
  return Math.abs(value) >= MOST ? power(value) : value.toFixed(digits)
}

export function duration(ms: number): string {
  if (!isFigure(ms)) return UNKNOWN
  if (ms < 0) return '0 ms'
  if (ms >= MOST) return `${power(ms / 86_400_000)} d`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const seconds = ms / 1_000
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

const HOUR_MS = 3_600_000
const units = [
  [HOUR_MS, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
] as const

/** A time that somebody chose, such as a limit: where it is whole hours, minutes or seconds, in them. */
export function period(ms: number): string {
  const unit =
    isFigure(ms) && ms > 0 && ms < 48 * HOUR_MS ? units.find(([size]) => ms % size === 0) : undefined
  return unit === undefined ? duration(ms) : `${whole.format(ms / unit[0])} ${unit[1]}`
}

/** US dollars, to the digits that say something. */
export function cost(dollars: number): string {
  if (!isFigure(dollars)) return UNKNOWN
  if (dollars < 0) return `-${cost(-dollars)}`
  if (dollars === 0) return '$0'
  if (dollars >= MOST) return `$${power(dollars)}`
  if (dollars < 0.0001) return '<$0.0001'
  if (dollars >= 1_000) return `$${whole.format(Math.round(dollars))}`
  return `$${dollars.toFixed(dollars < 1 ? 4 : 2)}`
}

/** The ticks of an axis of dollars, all to the same digits: cents, or what their steps need. */
export function costTicks(dollars: readonly number[]): string[] {
  const most = Math.max(0, ...dollars)
  if (most >= 1_000) return dollars.map(cost)
  const isWhole = (digits: number): boolean =>
    dollars.every((each) => Math.abs(each * 10 ** digits - Math.round(each * 10 ** digits)) < 1e-6)
  const digits = [0, 2, 3, 4, 5, 6].find(isWhole) ?? 6
  return dollars.map((each) => (each === 0 ? '$0' : `$${each.toFixed(digits)}`))
}

export function bytes(size: number): string {
  if (!isFigure(size)) return UNKNOWN
  if (size < 1_000) return `${size} B`
  return size < 1_000_000 ? `${(size / 1_000).toFixed(1)} KB` : `${(size / 1_000_000).toFixed(1)} MB`
}

/** The last moment that JavaScript knows; formats throw beyond it. */
const LAST_MS = 8.64e15
const isTime = (ms: number): boolean => isFigure(ms) && Math.abs(ms) <= LAST_MS

export const time = (ms: number): string => (isTime(ms) ? clock.format(ms) : UNKNOWN)
/** To the millisecond, the same in every zone. */
export const isoTime = (ms: number): string => (isTime(ms) ? new Date(ms).toISOString() : String(ms))
export const exactTime = (ms: number): string => (isTime(ms) ? full.format(ms) : UNKNOWN)

/** Today the time; on other days the day too, and of another year the year: a clock may be wrong. */
export function moment(ms: number, nowMs = Date.now()): string {
  if (!isTime(ms)) return UNKNOWN
  const isToday = new Date(ms).toDateString() === new Date(nowMs).toDateString()
  if (isToday) return time(ms)
  const isThisYear = new Date(ms).getFullYear() === new Date(nowMs).getFullYear()
  return isThisYear ? `${day.format(ms)} ${time(ms)}` : otherYear.format(ms)
}

export function ago(ms: number, nowMs: number): string {
  if (!isTime(ms)) return UNKNOWN
  const passed = nowMs - ms
  // Clocks differ by seconds; by more, one of them is wrong, and the reader should know.
  if (passed < -60_000) return `in ${duration(-passed)} by its clock`
  if (passed < 10_000) return 'just now'
  const [value, unit] =
    passed < 60_000
      ? [passed / 1_000, 's']
      : passed < 3_600_000
        ? [passed / 60_000, 'min']
        : passed < 86_400_000
          ? [passed / 3_600_000, 'h']
          : [passed / 86_400_000, 'd']
  return `${Math.floor(value)} ${unit} ago`
}
