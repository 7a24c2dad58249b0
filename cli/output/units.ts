// Times, money and counts as people read them.
export { plural } from '../../runtime/text/quantities.ts'

export const count = (value: number): string => value.toLocaleString('en-US')

/** US dollars: cents as usual, four digits of a fraction of a dollar. */
export const money = (dollars: number): string => `$${dollars.toFixed(dollars >= 100 ? 2 : 4)}`

/** 0.314 → 31.4 %. Nothing to show: a dash. */
export const share = (value: number | null): string =>
  value === null ? '–' : `${(100 * value).toFixed(1)} %`

/** As short as is still exact enough: 640 ms, 3.2 s, 4 min, 2.5 h, 3 d. */
export function elapsed(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`
  return ms < 86_400_000 ? `${(ms / 3_600_000).toFixed(1)} h` : `${Math.round(ms / 86_400_000)} d`
}

/** 2026-11-28 13:45:07Z: UTC, as the logs have it. */
export const moment = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').slice(0, 19) + 'Z'
