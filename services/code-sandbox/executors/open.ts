// The executors configured here, each opened on first use, when its package is loaded.
import { availableParallelism } from 'node:os'
import type { Environment } from '../../../runtime/config/environment.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { quietInstruments, type Instruments } from '../../../runtime/telemetry/instruments.ts'
import { sessionLimits, wasmOptions } from './settings.ts'
import type { Executor } from './port.ts'
import type { SessionWatch } from './session-executor.ts'
import { WasmExecutor } from './wasm/wasm-executor.ts'

export class Executors {
  readonly #openers: ReadonlyMap<string, () => Promise<Executor>>
  readonly #opened = new Map<string, Promise<Executor>>()

  constructor(openers: ReadonlyMap<string, () => Promise<Executor>>) {
    this.#openers = openers
  }

  get names(): string[] {
    return [...this.#openers.keys()]
  }

  async get(name: string): Promise<Executor> {
    const open = this.#openers.get(name)
    if (!open)
      throw new FlotillaError(
        'EXECUTOR_NOT_CONFIGURED',
        `code executor '${name}' is not configured here; there are: ${this.names.join(', ')}`,
      )
    let executor = this.#opened.get(name)
    if (!executor) this.#opened.set(name, (executor = open()))
    return await executor
  }

  /** Executors that a step has used. */
  async used(): Promise<Executor[]> {
    return await Promise.all(this.#opened.values())
  }

  /** Opens the default executor and starts its spare interpreters. The first step gets a failure. */
  async warm(): Promise<void> {
    const wasm = await this.get('wasm').catch(() => null)
    if (wasm instanceof WasmExecutor) await wasm.warm()
  }

  /** Rejects with every executor that can't run now, and the reasons. */
  async check(): Promise<void> {
    const outcomes = await Promise.allSettled(
      this.names.map(async (name) => await (await this.get(name)).check()),
    )
    const failed = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as Error] : [],
    )
    const [first] = failed
    if (!first) return
    if (failed.length === 1) throw first
    throw new FlotillaError('SANDBOX_UNAVAILABLE', failed.map(({ message }) => message).join('; '))
  }

  async close(): Promise<void> {
    for (const executor of await this.used()) await executor.close()
  }
}

export function openExecutors(
  fleet: Fleet,
  environment: Environment,
  instruments: Pick<Instruments, 'count' | 'gauge'> = quietInstruments,
): Executors {
  const cores = availableParallelism()
  const limits = sessionLimits(fleet, environment, cores)
  const { native, docker, e2b, http } = fleet.sandbox ?? {}
  const watch = (executor: string): SessionWatch => ({
    live: (count) => instruments.gauge('code_sessions', count, { executor }),
    rebuilt: () => instruments.count('code_rebuilds', 1, { executor }),
  })
  const openers = new Map<string, () => Promise<Executor>>([
    [
      'wasm',
      async () => new WasmExecutor({ ...wasmOptions(fleet, environment, cores), watch: watch('wasm') }),
    ],
  ])
  if (native)
    openers.set('native', async () => {
      const { NativeExecutor } = await import('./native/native-executor.ts')
      return new NativeExecutor({ ...limits, ...native, watch: watch('native') })
    })
  if (docker)
    openers.set('docker', async () => {
      const { DockerExecutor } = await import('./docker/docker-executor.ts')
      return new DockerExecutor({ ...limits, ...docker, watch: watch('docker') })
    })
  if (e2b)
    openers.set('e2b', async () => {
      const { E2bExecutor } = await import('./e2b/e2b-executor.ts')
      return new E2bExecutor({ ...limits, ...e2b, watch: watch('e2b') })
    })
  const url = http?.url
  if (url)
    openers.set('http', async () => {
      const { HttpExecutor } = await import('./http/http-executor.ts')
      const token = environment.raw['FLOTILLA_SANDBOX_TOKEN']?.trim()
      return new HttpExecutor({ ...limits, url, watch: watch('http'), ...(token && { token }) })
    })
  return new Executors(openers)
}
