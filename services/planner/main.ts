import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createModelCaller } from './model-client.ts'
import { createModelGuard } from './model-guard.ts'
import { createOutputCaller } from './output-caller.ts'
import { createPlannerStage } from './stage.ts'

export const planner: Service = {
  name: 'planner',
  stage: createPlannerStage,
  callers: (context) => ({
    callers: { model: createModelCaller(context), check: createOutputCaller(context) },
    guards: { model: createModelGuard(context) },
  }),
}

if (import.meta.main) await runService(planner)
