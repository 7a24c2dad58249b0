import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createModelCaller } from './model-client.ts'
import { createPlannerStage } from './stage.ts'

export const planner: Service = {
  name: 'planner',
  stage: createPlannerStage,
  callers: (context) => ({ callers: { model: createModelCaller(context) } }),
}

if (import.meta.main) await runService(planner)
