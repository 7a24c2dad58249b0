import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createLimitsCaller } from './caller.ts'
import { createRouterStage } from './stage.ts'

export const router: Service = {
  name: 'router',
  stage: createRouterStage,
  needsModel: true,
  callers: (context) => ({ callers: { limits: createLimitsCaller(context) } }),
}

if (import.meta.main) await runService(router)
