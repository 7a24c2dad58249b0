import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createRouterStage } from './stage.ts'

export const router: Service = { name: 'router', stage: createRouterStage }

if (import.meta.main) await runService(router)
