import { systemClock } from '../../runtime/clock.ts'
import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { ledgerTables, requireWritable } from '../../runtime/store/writable.ts'
import { createLedgerCaller } from './caller.ts'
import { createMeteringStage } from './stage.ts'
import { startUpkeep } from './upkeep.ts'

export const metering: Service = {
  name: 'metering',
  stage: createMeteringStage,
  callers: (context) => {
    const { sql, fleet, instruments } = context
    const { retentionDays } = fleet.metering
    const close = startUpkeep(context)
    return {
      callers: { ledger: createLedgerCaller({ sql, retentionDays, clock: systemClock, instruments }) },
      check: () => requireWritable(sql, ledgerTables),
      close,
    }
  },
}

if (import.meta.main) await runService(metering)
