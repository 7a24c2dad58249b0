import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createModelCaller } from './model/client.ts'
import { modelSlots } from './model/slots.ts'
import { createModelGuard } from './model/guard.ts'
import { createOutputCaller } from './output-check.ts'
import { createPlannerStage } from './stage.ts'

export const planner: Service = {
  name: 'planner',
  stage: createPlannerStage,
  needsModel: true,
  callers: (context) => ({
    callers: { model: createModelCaller(context), check: createOutputCaller(context) },
    guards: { model: createModelGuard(context) },
    slots: modelSlots(context.fleet),
  }),
}

if (import.meta.main) await runService(planner)
