// Whether a rule is silenced now, by configuration or by an operator.
import type { Alerts } from '../../runtime/config/alert-rules.ts'

/** Silences by operators; the latest of a rule counts. */
export interface Silence {
  untilMs: number
  reason: string | null
  by: string | null
}

export type SilenceRows = { [row: `silence:${string}`]: Silence }

/** When the rule's channels may be notified again; null if they may be notified now. */
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
