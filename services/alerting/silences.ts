// Whether a rule is silent now: by configuration, or because an operator said so.
import type { Alerts } from '../../runtime/config/fleet.ts'

/** Said by an operator; the latest of a rule counts. */
export interface Silence {
  untilMs: number
  reason: string | null
  by: string | null
}

export type SilenceRows = { [row: `silence:${string}`]: Silence }

/** When the rule's channels may be told again; null when they may be told now. */
export function silentUntilMs(
  rule: string,
  { silences }: Pick<Alerts, 'silences'>,
  rows: Readonly<Partial<SilenceRows>>,
  nowMs: number,
): number | null {
  const configured = silences
    .filter((silence) => silence.rule === rule && silence.fromMs <= nowMs)
    .map(({ untilMs }) => untilMs)
  const latest = Math.max(...configured, rows[`silence:${rule}`]?.untilMs ?? 0)
  return latest > nowMs ? latest : null
}
