// One process of the simulated fleet: real hosts and stages over the memory log, killed between any two operations.
//
// 1. After `kill` nothing of the process is heard: its promises never settle, its writes do not happen.
// 2. A kill strikes before or after an operation of the store, before or after a commit, and while a call runs.
import { FlotillaError } from '../../errors.ts'
import type { Codec } from '../../codec/port.ts'
import { CallMaker, type Breakers } from '../../host/calls.ts'
import { openJournal, type JournalOptions } from '../../host/journal.ts'
import { defaultHostOptions } from '../../host/parts.ts'
import { Semaphore } from '../../host/semaphore.ts'
import { StageHost } from '../../host/stage-host.ts'
import type { FaultyLog } from '../../log/memory/faults.ts'
import type { MemoryBroker } from '../../log/memory/log.ts'
import type { Caller, Stage } from '../../stage.ts'
import type { BlobStore, KeyValue } from '../../store/port.ts'
import { quietInstruments } from '../../telemetry/instruments.ts'
import type { CallBook } from './call-book.ts'
import type { Random } from './random.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Probabilities of one operation each. All zero: nothing goes wrong. */
export interface FaultRates {
  killAtStore: number
  killAtCommit: number
  killAtCall: number
  storeFails: number
  commitFails: number
  commitUncertain: number
  redeliver: number
  breakerOpen: number
}

export const noFaults: FaultRates = {
  killAtStore: 0,
  killAtCommit: 0,
  killAtCall: 0,
  storeFails: 0,
  commitFails: 0,
  commitUncertain: 0,
  redeliver: 0,
  breakerOpen: 0,
}

export interface World {
  readonly clock: VirtualClock
  readonly random: Random
  readonly broker: MemoryBroker
  readonly keyValue: KeyValue
  readonly blobs: BlobStore
  readonly codec: Codec
  readonly book: CallBook
  readonly stages: readonly Stage[]
  readonly journal: JournalOptions
  /** By kind; they see the world's clock and randomness only. */
  readonly callers: Readonly<Record<string, Caller>>
  /** Now; changes while the run goes on. */
  readonly rates: () => FaultRates
  /** Told of each kill. */
  readonly onKill: (process: SimProcess, where: string) => void
  readonly isAlive: (process: string) => boolean
}

const never = <T>(): Promise<T> => new Promise<T>(() => {})
const SESSION_MS = 3_000

export class SimProcess {
  readonly name: string
  private readonly world: World
  private readonly log: FaultyLog
  private readonly hosts: StageHost[]
  private alive = true

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
    this.log = world.broker.connect({
      onCommit: () => this.commitFault(),
      commitDelayMs: () => world.random.between(0, 8),
      deliveryDelayMs: () => world.random.between(0, 5),
      repeats: () => world.random.chance(world.rates().redeliver),
      onCrash: () => this.kill('commit'),
      sessionMs: SESSION_MS,
    })
    const journal = openJournal(this.faultyStore(), world.clock, world.journal)
    const shared = { journal, breakers: this.breakers(), clock: world.clock, instruments: quietInstruments }
    this.hosts = world.stages.map((stage) => {
      const calls = new CallMaker({ ...shared, places: new Semaphore(64), callers: this.callers() })
      const { codec, blobs } = world
      return new StageHost({
        ...shared,
        stage,
        calls,
        codec,
        blobs,
        log: this.log,
        options: defaultHostOptions,
        instance: name,
      })
    })
  }

  async start(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.start()))
  }

  get isAlive(): boolean {
    return this.alive
  }

  status() {
    return this.hosts.map((host) => host.status())
  }

  kill(where: string): void {
    if (!this.alive) return
    this.alive = false
    this.log.crash()
    this.world.onKill(this, where)
  }

  private commitFault() {
    const { random, rates } = this.world
    const { killAtCommit, commitFails, commitUncertain } = rates()
    if (random.chance(killAtCommit)) return random.pick(['crash-before', 'crash-after'] as const)
    if (random.chance(commitFails)) return 'fail' as const
    if (random.chance(commitUncertain)) return random.pick(['uncertain-lost', 'uncertain-written'] as const)
    return null
  }

  private faultyStore(): KeyValue {
    const { keyValue } = this.world
    return {
      ...keyValue,
      get: (key) => this.operation(() => keyValue.get(key)),
      set: (key, value, ttlMs) => this.operation(() => keyValue.set(key, value, ttlMs)),
      delete: (keys) => this.operation(() => keyValue.delete(keys)),
      compareAndSet: (key, expected, next, ttlMs) =>
        this.operation(async () => {
          const result = await keyValue.compareAndSet(key, expected, next, ttlMs)
          if (result.swapped && key.startsWith('journal:') && next.includes('"state":"done"'))
            this.world.book.journalled.add(key.slice('journal:'.length))
          return result
        }),
    }
  }

  private async operation<T>(work: () => Promise<T>): Promise<T> {
    const { random, rates, clock } = this.world
    await new Promise<void>((resume) => clock.schedule(random.between(0, 3), resume))
    if (!this.alive) return never()
    const { killAtStore, storeFails } = rates()
    if (random.chance(killAtStore)) return this.dieInStead()
    if (random.chance(storeFails)) throw new FlotillaError('STORE_UNAVAILABLE', 'injected')
    const result = await work()
    if (random.chance(killAtStore)) return this.dieInStead()
    return this.alive ? result : never()
  }

  /** An open breaker refuses before anything reaches the outside. */
  private breakers(): Breakers {
    const { random, rates } = this.world
    return {
      run: (name, work) =>
        random.chance(rates().breakerOpen)
          ? Promise.reject(new FlotillaError('BREAKER_OPEN', `${name}: injected`, { retryAfterMs: 500 }))
          : work(),
    }
  }

  private dieInStead<T>(): Promise<T> {
    this.kill('store')
    return never()
  }

  private callers(): Record<string, Caller> {
    const { book, callers, isAlive, random, rates } = this.world
    const wrapped = Object.entries(callers).map(([kind, caller]): [string, Caller] => [
      kind,
      async (request, context) => {
        if (!this.alive) return never()
        const target = kind
        const idempotent = !(kind === 'tool' && isCharge(request))
        const seen = book.arrive(
          { callId: context.callId, kind, target, idempotent, process: this.name },
          isAlive,
        )
        if (random.chance(rates().killAtCall)) return this.dieInStead()
        const value = await caller(request, context)
        if (!this.alive) return never()
        seen.answered = true
        if (random.chance(rates().killAtCall)) return this.dieInStead()
        return value
      },
    ])
    return Object.fromEntries(wrapped)
  }
}

/** The simulated tool with an effect is named so. */
function isCharge(request: unknown): boolean {
  return typeof request === 'object' && request !== null && 'tool' in request && request.tool === 'charge'
}
