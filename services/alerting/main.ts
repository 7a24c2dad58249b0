import { alertWarnings } from '../../runtime/config/alerts.ts'
import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createNotifier } from './channels/index.ts'
import { createAlertingStage } from './stage.ts'

export const alerting: Service = {
  name: 'alerting',
  stage: createAlertingStage,
  callers: ({ fleet, environment, logger }) => {
    for (const warning of alertWarnings(fleet.alerts, environment.raw)) logger.warn(warning)
    return { callers: { notify: createNotifier(fleet.alerts, environment.raw, logger) } }
  },
}

if (import.meta.main) await runService(alerting)
