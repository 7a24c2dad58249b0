// The executors configured here, each opened on first use, when its package is loaded.
import { availableParallelism } from 'node:os'
import type { Environment } from '../../../runtime/config/environment.ts'
import type { ExecutorName, SandboxDefinition } from '../../../runtime/config/executors.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { quietInstruments, type Instruments } from '../../../runtime/telemetry/instruments.ts'
import { sessionLimits, wasmOptions, type SessionLimits } from './settings.ts'
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

/** What each executor is opened with, besides its own settings. */
interface Common extends SessionLimits {
  readonly watch: SessionWatch
}

type Settings<Name> = Name extends ExecutorName ? NonNullable<SandboxDefinition[Name]> : object

/** How each executor is opened. */
const openers: {
  readonly [Name in 'wasm' | ExecutorName]: (
    settings: Settings<Name>,
    common: Common,
    environment: Environment,
  ) => Promise<Executor>
} = {
  wasm: async (_, common, environment) => new WasmExecutor({ ...common, ...wasmOptions(environment) }),
  native: async (settings, common) => {
    const { NativeExecutor } = await import('./native/native-executor.ts')
    return new NativeExecutor({ ...common, ...settings })
  },
  docker: async (settings, common) => {
    const { DockerExecutor } = await import('./docker/docker-executor.ts')
    return new DockerExecutor({ ...common, ...settings })
  },
  e2b: async (settings, common) => {
    const { E2bExecutor } = await import('./e2b/e2b-executor.ts').catch(withoutPackage('e2b'))
    return new E2bExecutor({ ...common, ...settings })
  },
  http: async ({ url = '' }, common, environment) => {
    const { HttpExecutor } = await import('./http/http-executor.ts')
    const token = environment.raw['FLOTILLA_SANDBOX_TOKEN']?.trim()
    return new HttpExecutor({ ...common, url, ...(token && { token }) })
  },
}

/** Turns the failed import of an optional package into an error that says how to install it. */
export const withoutPackage =
  (name: string) =>
  (cause: unknown): never => {
    const isMissing =
      cause instanceof Error &&
      'code' in cause &&
      cause.code === 'ERR_MODULE_NOT_FOUND' &&
      cause.message.includes(`package '${name}'`)
    if (!isMissing) throw cause
    throw new FlotillaError(
      'EXECUTOR_NOT_CONFIGURED',
      `code executor '${name}' needs the package ${name}, which is not installed; run: npm install ${name}`,
      { cause },
    )
  }

export function openExecutors(
  fleet: Fleet,
  environment: Environment,
  instruments: Pick<Instruments, 'count' | 'gauge'> = quietInstruments,
): Executors {
  const limits = sessionLimits(fleet, environment, availableParallelism())
  const commonOf = (executor: string): Common => ({
    ...limits,
    watch: {
      live: (count) => instruments.gauge('code_sessions', count, { executor }),
      rebuilt: () => instruments.count('code_rebuilds', 1, { executor }),
    },
  })
  const configured = Object.entries({ wasm: {}, ...fleet.sandbox }) as [keyof typeof openers, object][]
  return new Executors(
    new Map(
      configured.map(([name, settings]) => [
        name,
        () => openers[name](settings, commonOf(name), environment),
      ]),
    ),
  )
}
