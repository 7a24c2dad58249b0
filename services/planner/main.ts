import { once } from '../../runtime/once.ts'
import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import type { ModelCaller } from './model/client.ts'
import { modelSlots } from './model/slots.ts'
import { createModelGuard } from './model/guard.ts'
import { createOutputCaller } from './result/output-check.ts'
import { createPlannerStage } from './stage.ts'

export const planner: Service = {
  name: 'planner',
  stage: createPlannerStage,
  needsModel: true,
  callers: (context) => {
    // The packages for it are half as large as the rest of a fleet: a start does without them.
    const model = once(async () => (await import('./model/client.ts')).createModelCaller(context))
    const callModel: ModelCaller = async (request, call) => (await model())(request, call)
    return {
      callers: { model: callModel, check: createOutputCaller(context) },
      guards: { model: createModelGuard(context) },
      slots: modelSlots(context.fleet),
    }
  },
}

if (import.meta.main) await runService(planner)
