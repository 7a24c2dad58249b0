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
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' })

export const count = (value: number): string => (value < 10_000 ? whole.format(value) : compact.format(value))

export function duration(ms: number): string {
  if (ms < 0) return '0 ms'
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const seconds = ms / 1_000
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** US dollars, to the digits that say something. */
export function cost(dollars: number): string {
  if (dollars === 0) return '$0'
  if (Math.abs(dollars) < 0.0001) return '<$0.0001'
  if (Math.abs(dollars) >= 1_000) return `$${whole.format(Math.round(dollars))}`
  return `$${dollars.toFixed(Math.abs(dollars) < 1 ? 4 : 2)}`
}

export function bytes(size: number): string {
  if (size < 1_000) return `${size} B`
  return size < 1_000_000 ? `${(size / 1_000).toFixed(1)} KB` : `${(size / 1_000_000).toFixed(1)} MB`
}

export const time = (ms: number): string => clock.format(ms)
export const exactTime = (ms: number): string => full.format(ms)

/** Today the time; before, the day too. */
export function moment(ms: number, nowMs = Date.now()): string {
  const isToday = new Date(ms).toDateString() === new Date(nowMs).toDateString()
  return isToday ? time(ms) : `${day.format(ms)} ${time(ms)}`
}

export function ago(ms: number, nowMs: number): string {
  const passed = nowMs - ms
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
