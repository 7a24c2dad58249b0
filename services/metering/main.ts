import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createLedgerCaller } from './ledger.ts'
import { createMeteringStage } from './stage.ts'

export const metering: Service = {
  name: 'metering',
  stage: createMeteringStage,
  callers: ({ sql }) => ({ callers: { ledger: createLedgerCaller(sql) } }),
}

if (import.meta.main) await runService(metering)
