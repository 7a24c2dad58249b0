import { FlotillaError } from '../runtime/errors.ts'
import type { Service } from '../runtime/service.ts'
import { alerting } from '../services/alerting/main.ts'
import { codeSandbox } from '../services/code-sandbox/main.ts'
import { gateway } from '../services/gateway/main.ts'
import { metering } from '../services/metering/main.ts'
import { planner } from '../services/planner/main.ts'
import { router } from '../services/router/main.ts'
import { toolExecutor } from '../services/tool-executor/main.ts'

export const services: readonly Service[] = [
  router,
  planner,
  toolExecutor,
  codeSandbox,
  metering,
  alerting,
  gateway,
]

/** Services by name; all of them if none is named. */
export function chooseServices(names: readonly string[]): readonly Service[] {
  if (names.length === 0) return services
  return names.map((name) => {
    const found = services.find((service) => service.name === name)
    if (found) return found
    const known = services.map((service) => service.name).join(', ')
    throw new FlotillaError('NOT_FOUND', `no service named ${name}; there are: ${known}`)
  })
}
