// The processes of a fleet on Kafka, one service each, of which there may be several.
import { serviceNames } from '../../../services/index.ts'
import { bundledCommand } from '../../support/bundled.ts'
import { startServices, type ServiceProcess } from '../../support/service-process.ts'

export interface Instance {
  readonly service: string
  readonly process: ServiceProcess
}

export class Instances {
  readonly #env: Readonly<Record<string, string>>
  /** As it is deployed: from its sources a service takes twice the time to start. */
  readonly #main = bundledCommand()
  readonly #all = new Set<Instance>()
  readonly #ready = new Set<Instance>()

  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env
  }

  async startAll(): Promise<void> {
    await Promise.all(serviceNames.map((service) => this.start(service)))
  }

  /** Resolves when it is ready; one that does not get ready is killed, and the promise rejects. */
  async start(service: string): Promise<Instance> {
    const process = await startServices([service], { main: this.#main, env: this.#env })
    const instance = { service, process }
    this.#all.add(instance)
    try {
      await process.ready(READY_MS)
    } catch (error) {
      await process.kill9()
      throw error
    }
    this.#ready.add(instance)
    return instance
  }

  /** Ready at this moment, by service in its order. */
  get ready(): readonly Instance[] {
    return [...this.#ready].toSorted((a, b) => a.service.localeCompare(b.service))
  }

  of(service: string): readonly Instance[] {
    return this.ready.filter((instance) => instance.service === service)
  }

  /** No longer among the ready ones: it is going to end. */
  takeOut(instance: Instance): void {
    this.#ready.delete(instance)
  }

  /** A gateway to talk to; the last known one while none is there. */
  url(): string {
    const gateways = [...this.#all].filter(({ service }) => service === 'gateway')
    const ready = gateways.filter((gateway) => this.#ready.has(gateway))
    return (ready.at(-1) ?? gateways.at(-1))?.process.url ?? 'http://127.0.0.1:9'
  }

  /** SIGTERM to every process; what each of them said if it ended with an error. */
  async drainAll(): Promise<string[]> {
    const ready = this.ready
    const codes = await Promise.all(ready.map(({ process }) => process.drain()))
    return ready.flatMap(({ service, process }, index) =>
      codes[index] === 0 ? [] : [`${service} ended with ${codes[index]}: ${process.output()}`],
    )
  }

  /** The end of what each process wrote, dead ones too. */
  outputs(): string {
    return [...this.#all]
      .map(({ service, process }) => `── ${service} ${process.pid}\n${process.output()}`)
      .join('\n')
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#all].map(({ process }) => process.kill9()))
  }
}

/** While a broker is down and the machine is at its limits. */
const READY_MS = 120_000
