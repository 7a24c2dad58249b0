// A fleet on Kafka with every service in a process of its own, and the means to end and start each of them.
import { serviceNames } from '../../services/index.ts'
import { startServices, type ServiceProcess } from './service-process.ts'

export interface FleetProcesses {
  /** By name of the service; its latest process. */
  of(service: string): ServiceProcess
  /** Starts (again) this service, beside what runs of it, and resolves when it is ready. */
  start(service: string): Promise<ServiceProcess>
  /** Drains every process. */
  stop(): Promise<void>
  /** SIGKILL to every process. */
  kill(): Promise<void>
}

export async function startFleetProcesses(env: Readonly<Record<string, string>>): Promise<FleetProcesses> {
  const latest = new Map<string, ServiceProcess>()
  const all = new Set<ServiceProcess>()
  const start = async (service: string): Promise<ServiceProcess> => {
    const started = await startServices([service], { env })
    latest.set(service, started)
    all.add(started)
    await started.ready()
    return started
  }
  const kill = async () => void (await Promise.all([...all].map((process) => process.kill9())))
  try {
    await Promise.all(serviceNames.map(start))
  } catch (error) {
    await kill()
    throw error
  }
  return {
    of: (service) => {
      const process = latest.get(service)
      if (!process) throw new Error(`${service} was never started`)
      return process
    },
    start,
    stop: async () => void (await Promise.all([...all].map((process) => process.drain()))),
    kill,
  }
}
