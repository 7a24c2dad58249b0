import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createLogNotifier } from './log-notifier.ts'
import { createAlertingStage } from './stage.ts'

export const alerting: Service = {
  name: 'alerting',
  stage: createAlertingStage,
  callers: ({ logger }) => ({ callers: { notify: createLogNotifier(logger) } }),
}

if (import.meta.main) await runService(alerting)
