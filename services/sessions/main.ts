import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createSessionsStage } from './stage.ts'

export const sessions: Service = {
  name: 'sessions',
  stage: createSessionsStage,
}

if (import.meta.main) await runService(sessions)
