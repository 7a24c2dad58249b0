// Gauges of the users who spend most today, by rank; the ledger names them (`flotilla usage --by user`). A
// label with their names would create a series for each user that was ever among them, and users choose their
// names.
import type { Clock } from '../../runtime/clock.ts'
import { summarise } from '../../runtime/ledger/summary.ts'
import type { Sql } from '../../runtime/store/sql.ts'
import type { Instruments } from '../../runtime/telemetry/instruments.ts'

const DAY_MS = 86_400_000
/** More series than this are too many for Prometheus. */
export const USERS_SHOWN = 20

/** Replaces the series: if there are fewer users than before, the last ranks are removed. */
export async function showUsersToday(
  sql: Sql,
  instruments: Pick<Instruments, 'gauges'>,
  clock: Pick<Clock, 'now'>,
): Promise<void> {
  const fromMs = Math.floor(clock.now() / DAY_MS) * DAY_MS
  const lines = await summarise(sql, { by: 'user', fromMs, limit: USERS_SHOWN })
  const series = (value: (line: (typeof lines)[number]) => number) =>
    lines.map((line, index) => ({ labels: { rank: String(index + 1) }, value: value(line) }))
  instruments.gauges(
    'user_tasks_today',
    series(({ executions }) => executions),
  )
  instruments.gauges(
    'user_tokens_today',
    series(({ inputTokens, outputTokens }) => inputTokens + outputTokens),
  )
  instruments.gauges(
    'user_cost_usd_today',
    series(({ cost }) => cost),
  )
}
