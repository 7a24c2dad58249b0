// What is done about the ledger at intervals: the day's largest users are shown, and what is past its retention is deleted.
import { systemClock } from '../../runtime/clock.ts'
import type { ServiceContext } from '../../runtime/service.ts'
import { deleteOld } from './retention.ts'
import { showUsersToday } from './users-today.ts'

const SHOW_EVERY_MS = 15_000
const DELETE_EVERY_MS = 3_600_000

/** The returned function stops it, and waits for what is running. */
export function startUpkeep(context: ServiceContext): () => Promise<void> {
  const { sql, fleet, instruments } = context
  const stops = [
    repeat(context, SHOW_EVERY_MS, () => showUsersToday(sql, instruments, systemClock)),
    repeat(context, DELETE_EVERY_MS, () => deleteOld(sql, fleet.metering.retentionDays, systemClock)),
  ]
  return async () => void (await Promise.all(stops.map((stop) => stop())))
}

/** Runs `work` at intervals. Stopping waits for the current run, because the database closes next. */
function repeat(
  { logger }: ServiceContext,
  everyMs: number,
  work: () => Promise<unknown>,
): () => Promise<void> {
  let running: Promise<unknown> = Promise.resolve()
  const timer = setInterval(() => {
    running = running
      .then(work)
      .catch((error: unknown) => logger.warn({ err: error }, 'ledger maintenance failed; will retry'))
  }, everyMs).unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}
