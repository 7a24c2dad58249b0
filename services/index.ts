// Every service of a fleet. Each is loaded when it is asked for, so that commands which only need a name, or
// a single service, start quickly.
import { FlotillaError } from '../runtime/errors.ts'
import type { Fleet } from '../runtime/config/fleet.ts'
import type { Stage } from '../runtime/stage.ts'
import type { Service } from '../runtime/service.ts'

/** In the order in which a task passes them. */
const services: Readonly<Record<string, () => Promise<Service>>> = {
  router: async () => (await import('./router/main.ts')).router,
  sessions: async () => (await import('./sessions/main.ts')).sessions,
  planner: async () => (await import('./planner/main.ts')).planner,
  'tool-executor': async () => (await import('./tool-executor/main.ts')).toolExecutor,
  'code-sandbox': async () => (await import('./code-sandbox/main.ts')).codeSandbox,
  metering: async () => (await import('./metering/main.ts')).metering,
  alerting: async () => (await import('./alerting/main.ts')).alerting,
  gateway: async () => (await import('./gateway/main.ts')).gateway,
}

export const serviceNames: readonly string[] = Object.keys(services)
/** Those with a stage: all but the gateway. */
export const stageNames: readonly string[] = serviceNames.filter((name) => name !== 'gateway')

/** The named services, or all of them. Rejects with NOT_FOUND and the names that there are. */
export async function loadServices(names: readonly string[] = serviceNames): Promise<readonly Service[]> {
  return await Promise.all(names.map((name) => loaderOf(name)()))
}

function loaderOf(name: string): () => Promise<Service> {
  const load = Object.hasOwn(services, name) ? services[name] : undefined
  if (load) return load
  throw new FlotillaError('NOT_FOUND', `no service named ${name}; there are: ${serviceNames.join(', ')}`)
}

/** The stages that decide about tasks, in the order in which a task passes them. */
export async function taskStages(fleet: Fleet): Promise<readonly Stage[]> {
  const loaded = await loadServices(['router', 'sessions', 'planner', 'tool-executor', 'code-sandbox'])
  return loaded.flatMap(({ stage }) => (stage ? [stage(fleet)] : []))
}
