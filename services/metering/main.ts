import { systemClock } from '../../runtime/clock.ts'
import { runService } from '../../runtime/host/run.ts'
import type { Service, ServiceContext } from '../../runtime/service.ts'
import { createLedgerCaller } from './caller.ts'
import { deleteOld } from './retention.ts'
import { createMeteringStage } from './stage.ts'
import { showUsersToday } from './users-today.ts'

const SHOW_EVERY_MS = 15_000
const DELETE_EVERY_MS = 3_600_000

export const metering: Service = {
  name: 'metering',
  stage: createMeteringStage,
  callers: (context) => {
    const { sql, fleet, instruments } = context
    const { retentionDays } = fleet.metering
    const stops = [
      repeat(context, SHOW_EVERY_MS, () => showUsersToday(sql, instruments, systemClock)),
      repeat(context, DELETE_EVERY_MS, () => deleteOld(sql, retentionDays, systemClock)),
    ]
    return {
      callers: { ledger: createLedgerCaller({ sql, retentionDays, clock: systemClock, instruments }) },
      close: async () => void (await Promise.all(stops.map((stop) => stop()))),
    }
  },
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

if (import.meta.main) await runService(metering)
