// One process of the fleet: its log, stores, codec, the stages it runs, and its HTTP server.
//
// Start order: configuration → stores (refused when not durable) → log and registry, waited for while they are away →
// stages. HTTP is up before the log on Kafka, whose outage /health must survive; after the lanes on one machine, because
// what a killed process left must not wait for it. Stop order: stages drain and commit, then all is closed in reverse.
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { backoffMs } from '../backoff.ts'
import { systemClock, sleep } from '../clock.ts'
import { prepareKept } from '../codec/kept-ids.ts'
import { openCodec } from '../codec/open.ts'
import type { Codec } from '../codec/port.ts'
import { longestTask } from '../config/long-tasks.ts'
import type { Environment } from '../config/environment.ts'
import type { Fleet } from '../config/fleet.ts'
import { FlotillaError, isFinal, toFailure } from '../errors.ts'
import { createSchemaChecks } from '../foreign-schema/checks.ts'
import type { EmbeddedLog } from '../log/embedded/log.ts'
import { openLog } from '../log/open.ts'
import type { Log } from '../log/port.ts'
import { redactedJson } from '../text/redaction.ts'
import { createBreakers, type Breakers } from '../breakers.ts'
import type { Callers, RoutesContext, Service } from '../service.ts'
import { isProvenDead, ownMark } from '../process-mark.ts'
import { openStores, requireShared, type Stores } from '../store/open.ts'
import type { Telemetry } from '../telemetry/open.ts'
import { publishBreakerChange } from './breaker-changes.ts'
import { Bugs } from './bugs.ts'
import { CallMaker } from './calls/calls.ts'
import { requireFree } from './http/port.ts'
import type { Readiness } from './http/server.ts'
import { openJournal, type JournalOptions } from './calls/journal.ts'
import { ownHostOptions, type HostParts } from './context.ts'
import { Semaphore } from './calls/semaphore.ts'
import { Pauses } from './pauses.ts'
import { Lag } from './lag.ts'
import { askParts, problemSeries, type PartCheck } from './part-checks.ts'
import { StageHost } from './stage-host.ts'
import { nameStore } from './store-identity.ts'
import { TrialGate } from './lane/trial-gate.ts'

export interface ProcessOptions {
  /** Shown in logs, traces and /health. */
  readonly name: string
  readonly services: readonly Service[]
  readonly environment: Environment
  readonly fleet: Fleet
  readonly telemetry: Telemetry
  /** Shown by /health. Default: of this process alone. */
  readonly bugs?: Bugs
  /** False: no HTTP server (one-shot runs). Default true. */
  readonly http?: boolean
}

export interface FleetProcess {
  readonly log: Log
  readonly codec: Codec
  readonly stores: Stores
  /** Base URL of the HTTP server; null without one. */
  readonly url: string | null
  /** Resolves with the reason if the process can't go on, because its data file is damaged: stop it then. */
  readonly failed: Promise<Error>
  readiness(): Promise<Readiness>
  /** Drains, commits, leaves and closes. Safe to call twice. */
  stop(): Promise<void>
}

/**
 * Longer than any task may run, so that a fleet that stood still for days does not make a call again whose task
 * still waits for it. Only calls whose commit was never seen are kept for that long.
 */
const JOURNAL_MS = longestTask.timeoutMs + 86_400_000

/** Embedded: the file lock proves that a former owner is dead. Kafka: it may live on, hence leases, marks. */
const embeddedJournal: JournalOptions = { leaseMs: 0, keepMs: JOURNAL_MS, forgottenMs: 0 }
const fleetJournal: JournalOptions = {
  leaseMs: 5_000,
  isDead: (owner) => isProvenDead(owner.slice(owner.indexOf('/') + 1)),
  keepMs: JOURNAL_MS,
  forgottenMs: 3_600_000,
}

const MAX_WAIT_MS = 5_000
/** HTTP starts after that, whatever the lanes do. */
const OPENING_MS = 1_000

export async function startProcess(options: ProcessOptions): Promise<FleetProcess> {
  const running = new RunningProcess(options)
  try {
    await running.start()
    return running
  } catch (error) {
    await running.stop().catch(() => {})
    throw error
  }
}

class RunningProcess implements FleetProcess {
  url: string | null = null
  readonly #failure = Promise.withResolvers<Error>()
  readonly failed = this.#failure.promise
  readonly #options: ProcessOptions
  readonly #schemas = createSchemaChecks()
  readonly #instance = `${process.pid}-${randomUUID().slice(0, 8)}`
  readonly #closers: (() => Promise<void>)[] = []
  readonly #hosts: StageHost[] = []
  readonly #checks: PartCheck[] = []
  #pauses: Pauses | null = null
  #lag: Lag | null = null
  #isStarted = false
  /** Parts that it waits for, each with how that goes. */
  readonly #waits = new Map<string, string>()
  #stopped: Promise<void> | null = null
  #opened: { log: Log; codec: Codec; stores: Stores } | null = null

  constructor(options: ProcessOptions) {
    this.#options = options
  }

  get log(): Log {
    return this.#parts().log
  }
  get codec(): Codec {
    return this.#parts().codec
  }
  get stores(): Stores {
    return this.#parts().stores
  }

  #parts() {
    if (!this.#opened) throw new FlotillaError('INTERNAL', 'the process is not open yet')
    return this.#opened
  }

  async start(): Promise<void> {
    const { environment, telemetry } = this.#options
    this.#closers.push(() => telemetry.close())
    this.#closers.push(() => this.#schemas.close())
    requireShared(environment)
    const log = await openLog(environment, telemetry.instruments.log)
    this.#closers.push(() => log.close())
    log.onFailed?.(this.#failure.resolve)
    const codec = openCodec(environment)
    const stores = this.#openStores()
    const prepare = (store: Stores['keyValue']) =>
      log.kind === 'kafka' ? prepareKept(codec, store) : codec.prepare()
    const prepared = Promise.all([
      this.#untilAvailable('the log', () => log.ensureTopics(this.#stageNames())),
      stores.then(({ keyValue }) => this.#untilAvailable('the schema registry', () => prepare(keyValue))),
    ])
    // A failure of the stores is reported first.
    prepared.catch(() => {})
    const opened = (this.#opened = { log, codec, stores: await stores })
    if (log.kind === 'kafka') {
      await this.#startHttp(opened)
      await prepared
      await this.#startStages(opened)
    } else {
      await prepared
      await this.#requirePort()
      await this.#startStages(opened)
      await this.#untilOpen(log.partitions)
      await this.#startHttp(opened)
    }
    this.#isStarted = true
  }

  /** All lanes of one machine are this process's, and open within a few turns of the event loop. */
  async #untilOpen(lanes: number): Promise<void> {
    const untilMs = performance.now() + OPENING_MS
    while (this.#hosts.some((host) => host.openLanes().length < lanes) && performance.now() < untilMs)
      await new Promise((resolve) => setImmediate(resolve))
  }

  async #openStores(): Promise<Stores> {
    const { environment, telemetry } = this.#options
    const stores = await this.#untilAvailable('the stores', () =>
      openStores(environment, telemetry.instruments.log),
    )
    this.#closers.push(() => stores.close())
    await this.#untilAvailable('the key-value store', () => this.#requireDurability(stores))
    return stores
  }

  /** Why it does not work, or not yet; null: it does. */
  get #problem(): string | null {
    if (this.#stopped) return 'stopping'
    const [wait = 'starting'] = this.#waits.values()
    return this.#isStarted ? null : wait
  }

  #stageNames(): string[] {
    return this.#options.services.filter(({ stage }) => stage).map(({ name }) => name)
  }

  async #requireDurability({ keyValue }: Stores): Promise<void> {
    if (this.#stageNames().length === 0) return
    const { durable, reason } = await keyValue.durability()
    if (durable) return
    const { environment, telemetry } = this.#options
    if (!environment.allowVolatileStore) throw new FlotillaError('STORE_NOT_DURABLE', reason)
    telemetry.instruments.log.warn(
      { reason },
      'acknowledged writes may be lost in a crash of the store; model and tool calls may then be repeated',
    )
  }

  /** Waits for a broker that starts later; throws errors that waiting can't cure. */
  async #untilAvailable<T>(what: string, step: () => Promise<T>): Promise<T> {
    this.#waits.set(what, `waiting for ${what}`)
    for (let attempt = 0; ; attempt++) {
      try {
        const done = await step()
        this.#waits.delete(what)
        return done
      } catch (error) {
        const isAlone = this.#options.environment.kafkaBrokers.length === 0
        if (isAlone || isFinal(error) || this.#stopped) throw error
        this.#waits.set(what, `waiting for ${what}: ${toFailure(error).message}`)
        this.#options.telemetry.instruments.log.warn(
          { reason: toFailure(error).message },
          `failed to reach ${what}; retrying`,
        )
        await sleep(systemClock, backoffMs(attempt, 200, MAX_WAIT_MS))
      }
    }
  }

  /** Rejects with PORT_IN_USE before a task begins that would be broken off. */
  async #requirePort(): Promise<void> {
    const { environment, http } = this.#options
    if (http !== false) await requireFree(environment.host, environment.port)
  }

  async #startHttp(parts: { log: Log; codec: Codec; stores: Stores }): Promise<void> {
    const options = this.#options
    if (options.http === false) return
    const { environment, fleet, telemetry, services } = options
    const { connectionsFor, createHttpServer, listen } = await import('./http/server.ts')
    const bugs = options.bugs ?? new Bugs(telemetry.instruments)
    const app = createHttpServer({
      service: options.name,
      readiness: () => this.readiness(),
      health: () => bugs.health,
      metrics: () => this.#metrics(),
      hosts: { host: environment.host, allowed: environment.http.allowedHosts },
      limits: connectionsFor(environment.http),
      logger: telemetry.instruments.log,
    })
    const context: RoutesContext = {
      ...parts.stores,
      fleet,
      environment,
      log: parts.log,
      codec: parts.codec,
      services: services.map(({ name }) => name),
      schemas: this.#schemas,
      instruments: telemetry.instruments,
      logger: telemetry.instruments.log,
    }
    this.#refuseUntilStarted(app)
    for (const { routes } of services) await routes?.(app, context)
    this.#closers.push(() => app.close())
    this.url = await listen(app, environment.host, environment.port)
    if ('announce' in parts.log) (parts.log as EmbeddedLog).announce({ gateway: this.url })
  }

  /** The HTTP API answers LOG_UNAVAILABLE until the log and the registry are there, and while draining. */
  #refuseUntilStarted(app: FastifyInstance): void {
    app.addHook('onRequest', async ({ url }) => {
      const problem = this.#problem
      if (problem !== null && url.startsWith('/v1/'))
        throw new FlotillaError('LOG_UNAVAILABLE', `this process can't serve now: ${problem}`)
    })
  }

  async #startStages(parts: { log: Log; codec: Codec; stores: Stores }): Promise<void> {
    const { environment, fleet, telemetry, services } = this.#options
    const { instruments } = telemetry
    const options = parts.log.kind === 'embedded' ? embeddedJournal : fleetJournal
    const journal = openJournal(parts.stores.keyValue, systemClock, options)
    this.#closers.push(() => journal.close())
    const capacity = new Semaphore(fleet.limits.concurrency)
    const trials = new TrialGate(systemClock)
    const pauses = await this.#followPauses(parts)
    const mark = parts.log.kind === 'kafka' ? await ownMark() : null
    const storeIdentity = nameStore(parts.stores.keyValue, instruments)
    this.#closers.push(async () => storeIdentity?.close())
    for (const service of services) {
      const stage = service.stage?.(fleet)
      if (!stage) continue
      const shown = { fleet, environment, schemas: this.#schemas, instruments, logger: instruments.log }
      const made = service.callers?.({ ...parts.stores, ...shown })
      this.#keep(service, made)
      const breakers = this.#breakersOf(service.name, parts)
      const shared = { journal, breakers, capacity, clock: systemClock, instruments }
      const host: HostParts = {
        ...shared,
        stage,
        log: parts.log,
        codec: parts.codec,
        blobs: parts.stores.blobs,
        calls: new CallMaker({
          ...shared,
          stage: service.name,
          callers: made?.callers ?? {},
          guards: made?.guards ?? {},
          ...(made?.slots ? { slots: made.slots } : {}),
        }),
        options: ownHostOptions(environment.drainMs),
        instance: mark === null ? this.#instance : `${this.#instance}/${mark}`,
        trials,
        pauses,
        keyValue: parts.stores.keyValue,
        storeIdentity,
      }
      this.#hosts.push(new StageHost(host))
    }
    this.#lag = new Lag({ log: parts.log, clock: systemClock, instruments }, this.#hosts)
    await Promise.all(this.#hosts.map((host) => host.start()))
  }

  async #followPauses({ log, codec }: { log: Log; codec: Codec }): Promise<Pauses> {
    const pauses = new Pauses({
      log,
      codec,
      clock: systemClock,
      instruments: this.#options.telemetry.instruments,
    })
    this.#closers.push(() => pauses.close())
    await pauses.start()
    this.#pauses = pauses
    return pauses
  }

  #keep(service: Service, made: Callers | undefined): void {
    if (made?.check) this.#checks.push({ name: service.name, check: made.check })
    if (made?.close) this.#closers.push(made.close)
  }

  #breakersOf(stage: string, parts: { log: Log; codec: Codec }): Breakers {
    const breakers = createBreakers({
      onChange: (change) =>
        publishBreakerChange(change, {
          ...parts,
          stage,
          instance: this.#instance,
          instruments: this.#options.telemetry.instruments,
        }),
    })
    this.#closers.push(async () => breakers.close())
    return breakers
  }

  async #metrics(): Promise<string> {
    for (const host of this.#hosts) host.measure()
    const { telemetry } = this.#options
    const [{ parts }] = await Promise.all([this.readiness(), this.#lag?.measure()])
    telemetry.instruments.gauges('problems', problemSeries(parts))
    return telemetry.metrics()
  }

  async readiness(): Promise<Readiness> {
    const parts = [{ name: 'process', problem: this.#problem }]
    for (const host of this.#hosts) {
      const { stage, problems } = host.status()
      parts.push({ name: `stage ${stage}`, problem: problems[0] ?? null })
    }
    if (this.#opened) {
      const { log, codec, stores } = this.#opened
      const checks = [
        { name: 'log', check: () => log.check() },
        { name: 'registry', check: () => codec.check() },
        {
          name: 'key-value store',
          check: () => Promise.all([stores.keyValue.check(), stores.limits.check()]),
        },
        { name: 'database', check: () => stores.blobs.check() },
        ...this.#checks,
      ]
      parts.push(...(await askParts(checks)))
    }
    const ready = parts.every(({ problem }) => problem === null)
    const paused = this.#hosts.map(({ stage }) => stage).filter((stage) => this.#pauses?.isPaused(stage))
    return { ready, parts: redactedJson(parts), ...(paused.length > 0 ? { paused } : {}) }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#close()
    return this.#stopped
  }

  async #close(): Promise<void> {
    // Without its file nothing is committed or journalled any more, and the calls that wait for it would wait in vain.
    const log = this.#opened?.log
    const isFileGone = log?.kind === 'embedded' && (log as EmbeddedLog).file.isDisplaced
    await Promise.allSettled(this.#hosts.map((host) => host.drain(isFileGone ? 0 : undefined)))
    for (const close of this.#closers.reverse()) await close().catch(() => {})
  }
}
