// One process of the simulated fleet: real hosts and stages over the memory log, killed between any two
// operations.
//
// 1. After `crash` the process is silent: its promises never settle, its writes do not happen.
// 2. A crash strikes before or after an operation of a store, before, in and after a commit, around and
//    during a call, while a lane is opened, and at any other moment.
// 3. A process may be paused, cut off from its group, or lose its store; it does not learn why.
import { FlotillaError } from '../../errors.ts'
import type { Breakers } from '../../host/calls/attempt.ts'
import { CallMaker } from '../../host/calls/calls.ts'
import { openJournal, type CallJournal } from '../../host/calls/journal.ts'
import { defaultHostOptions } from '../../host/context.ts'
import { Semaphore } from '../../host/calls/semaphore.ts'
import { StageHost, type StageStatus } from '../../host/stage-host.ts'
import { TrialGate } from '../../host/lane/trial-gate.ts'
import type { CommitFault, FaultyLog, LanePlace } from '../memory/log/faults.ts'
import type { Caller, Stage, StageEvent } from '../../stage.ts'
import { quietInstruments, type Instruments } from '../../telemetry/instruments.ts'
import type { Trouble } from './call-book.ts'
import { isCrash, type FaultKind } from './fate.ts'
import { ProcessClock } from './process-clock.ts'
import {
  Transaction,
  withBlobFaults,
  withGuardFaults,
  withStoreFaults,
  type StoreFaults,
} from './store-faults.ts'
import type { Phase, Surroundings, World } from './world.ts'

const never = <T>(): Promise<T> => new Promise<T>(() => undefined)
const SESSION_MS = 3_000
const CAPACITY = 64
const DRAIN_MS = 3_000
/** Longer than a lease, so that others take over. */
const MAX_PAUSE_MS = 12_000

export class SimProcess {
  readonly name: string
  readonly clock: ProcessClock
  readonly #world: World
  readonly #log: FaultyLog
  readonly #journal: CallJournal
  readonly #capacity = new Semaphore(CAPACITY)
  readonly #makers: CallMaker[] = []
  readonly #hosts: readonly StageHost[]
  readonly #epochs = new Map<string, number>()
  readonly #troubles: Trouble[] = []
  #awayUntilMs = 0
  #refuses: { readonly reason: string; readonly untilMs: number } | null = null
  /** Openings of lanes that the log granted, and those that led to a running lane. */
  openings = { given: 0, used: 0 }
  #dyingOf: FaultKind = 'crash-anywhere'
  #ended: FaultKind | null = null
  #endedAtMs: number | null = null

  constructor(world: World, name: string, stages: readonly Stage[], skewMs: number) {
    this.#world = world
    this.name = name
    this.clock = new ProcessClock(world.clock, skewMs)
    this.#log = this.#connect()
    const store = this.#storeFaults()
    const file = world.alone ? new Transaction() : undefined
    const faulty = withStoreFaults(world.keyValue, store, file)
    const keyValue = world.reached?.(faulty) ?? faulty
    const blobs = withBlobFaults(world.blobs, store)
    this.#journal = openJournal(keyValue, this.clock, world.journal)
    const surroundings: Surroundings = {
      name,
      clock: this.clock,
      keyValue,
      epochOf: (stage, lane) => this.#epochs.get(`${stage}/${lane}`) ?? 0,
    }
    const made = world.callers(surroundings)
    const callers = this.#withCrashes(made.callers)
    const guards = mapped(made.guards ?? {}, (guard) => withGuardFaults(guard, store, file))
    const slots = made.slots ? { slots: made.slots } : {}
    const trials = new TrialGate(this.clock)
    this.#hosts = stages.map((each) => {
      const stage = this.#withDeaths(each)
      const instruments = this.#instruments()
      const shared = { journal: this.#journal, breakers: this.#breakers(), clock: this.clock, instruments }
      const calls = new CallMaker({ ...shared, ...slots, capacity: this.#capacity, callers, guards })
      this.#makers.push(calls)
      return new StageHost({
        ...shared,
        stage,
        calls,
        codec: world.codec,
        blobs,
        log: this.#log,
        options: { ...defaultHostOptions, drainMs: DRAIN_MS, ...world.hostOptions },
        instance: name,
        trials,
        keyValue,
      })
    })
  }

  async start(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.start()))
  }

  get isAlive(): boolean {
    return this.#ended === null
  }

  status(): StageStatus[] {
    return this.#hosts.map((host) => host.status())
  }

  /** State rows in memory, of the lanes that are open. */
  *memory(): Iterable<{ stage: string; lane: number; rows: ReturnType<StageHost['rows']> }> {
    for (const host of this.#hosts)
      for (const lane of host.openLanes()) yield { stage: host.stage, lane, rows: host.rows(lane) }
  }

  /** Entries left in the maps that outlive a handling: zero in a process at rest. */
  leftovers(): number {
    const slots = this.#makers.reduce((held, maker) => held + maker.slotsHeld, 0)
    return this.#capacity.held + slots + this.#journal.open
  }

  crash(kind: FaultKind, place = ''): void {
    if (!this.isAlive) return
    this.#ended = kind
    this.#endedAtMs = this.#world.clock.now()
    this.#world.note(`${this.name} dies: ${kind} ${place}`)
    this.#log.crash()
    this.clock.die()
    this.#world.onCrash(this.name)
  }

  pause(forMs: number): void {
    this.#trouble('pause', forMs)
    this.clock.pause(forMs)
    // A silent member is given up like a dead one; it learns of that when it resumes.
    if (forMs > SESSION_MS && !this.#world.alone)
      this.clock.later(SESSION_MS, () => this.#log.cutOff(forMs - SESSION_MS))
  }

  cutOff(forMs: number): void {
    this.#world.note(`${this.name} is cut off from its groups for ${forMs} ms`)
    this.#log.cutOff(forMs)
  }

  loseStore(forMs: number): void {
    this.#trouble('store-away', forMs)
    this.#awayUntilMs = this.#world.clock.now() + forMs
  }

  /** The store answers, but refuses writes. */
  haveStoreRefuse(reason: string, forMs: number): void {
    this.#trouble('store-refuses', forMs)
    this.#refuses = { reason, untilMs: this.#world.clock.now() + forMs }
  }

  /** Writes that the store had acknowledged are gone. */
  noteForgottenWrites(): void {
    this.#trouble('store-forgets', SESSION_MS)
  }

  /** SIGTERM: finishes what it can within its limit, hands its lanes over, and ends. */
  async drain(): Promise<void> {
    this.#world.note(`${this.name} drains`)
    await Promise.all(this.#hosts.map((host) => host.drain()))
    if (!this.isAlive) return
    this.#ended = 'drain'
    this.#endedAtMs = this.#world.clock.now()
    this.#world.note(`${this.name} has drained`)
    this.#log.crash()
    this.clock.die()
  }

  /** The fault since then that may have cost the process a call, or the lease of one. */
  troubleSince(sinceMs: number): Trouble | null {
    if (this.#ended !== null) return { kind: this.#ended, atMs: 0 }
    return this.#troubles.find(({ atMs }) => atMs >= sinceMs) ?? null
  }

  /** When it was killed or had drained; null while it lives. */
  get endedMs(): number | null {
    return this.#endedAtMs
  }

  /** Whether anything but its end may have kept it from writing its results since then. */
  wasHeldUp(sinceMs: number): boolean {
    return this.#troubles.some(({ atMs }) => atMs >= sinceMs)
  }

  #trouble(kind: FaultKind, forMs: number): void {
    this.#world.note(`${this.name}: ${kind} for ${forMs} ms`)
    this.#troubles.push({ kind, atMs: this.#world.clock.now() + forMs })
  }

  /** Whether a fault of this kind strikes this process here. A crash happens at once. */
  #strikes(kind: FaultKind, place: string): boolean {
    const { fate, rates, clock } = this.#world
    if (!this.isAlive || !fate.strikes(kind, `${this.name} ${place}`, rates()[kind], clock.now()))
      return false
    if (isCrash(kind)) this.crash(kind, place)
    else this.#world.note(`${this.name}: ${kind} at ${place}`)
    return true
  }

  #connect(): FaultyLog {
    const world = this.#world
    const { fate, witness } = world
    const at = ({ group, lane }: LanePlace) => `${group}/${lane}`
    return world.broker.connect({
      onCommit: (place) => this.#commitFault(at(place)),
      onOpen: (place) => this.#openFault(at(place)),
      commitDelayMs: (place) => fate.between(0, world.slowestCommitMs, `commit ${this.name} ${at(place)}`),
      deliveryDelayMs: (place, topic) => this.#deliveryDelayMs(`${at(place)} ${topic}`),
      repeats: (place) => this.#strikes('redelivery', at(place)),
      onCrash: () => this.crash(this.#dyingOf, 'at the log'),
      // On one machine the lock of a dead process goes with it.
      sessionMs: world.alone ? 0 : SESSION_MS,
      hear: (fn) => this.clock.hear(fn),
      onWritten: ({ group, lane }, commit) => {
        witness.written(group, lane, commit, world.clock.now())
        for (const { topic, metadata } of commit.positions)
          if (metadata.length > world.metadataBytes)
            world.tally.complaints.push(`a position of ${topic} has ${metadata.length} bytes of metadata`)
      },
      onOpened: ({ group, lane }, opened) => {
        this.openings.given++
        this.#epochs.set(`${group}/${lane}`, opened.epoch)
        witness.opened(group, opened)
      },
    })
  }

  #deliveryDelayMs(place: string): number {
    const { fate } = this.#world
    const what = `delivery ${this.name} ${place}`
    return this.#strikes('late-delivery', place) ? fate.between(200, 4_000, what) : fate.between(0, 5, what)
  }

  #commitFault(place: string): CommitFault | null {
    const { fate } = this.#world
    if (this.#isDoomed('crash-before-commit', place)) return 'crash-before'
    if (this.#isDoomed('crash-in-commit', place)) return 'crash-in-flight'
    if (this.#isDoomed('crash-after-commit', place)) return 'crash-after'
    if (this.#strikes('commit-fails', place)) return 'fail'
    if (!this.#strikes('commit-uncertain', place)) return null
    return fate.pick(['uncertain-lost', 'uncertain-written'] as const, `uncertain ${this.name} ${place}`)
  }

  /** As `strikes`, for a crash that the log carries out a little later. */
  #isDoomed(kind: FaultKind, place: string): boolean {
    const { fate, rates, clock } = this.#world
    if (!this.isAlive || !fate.strikes(kind, `${this.name} ${place}`, rates()[kind], clock.now()))
      return false
    this.#dyingOf = kind
    return true
  }

  #openFault(place: string): 'fail' | 'crash' | null {
    if (this.#isDoomed('crash-in-opening', place)) return 'crash'
    return this.#strikes('opening-fails', place) ? 'fail' : null
  }

  #storeFaults(): StoreFaults {
    const { fate, clock } = this.#world
    return {
      strikes: (kind, place) => {
        const struck = this.#strikes(kind, place)
        if (struck && kind.startsWith('store-')) this.#troubles.push({ kind, atMs: clock.now() + SESSION_MS })
        return struck
      },
      between: (least, most, what) => fate.between(least, most, `${this.name} ${what}`),
      wait: (delayMs) => this.clock.wait(delayMs),
      isAway: () => this.#awayUntilMs > clock.now(),
      refusal: () => (this.#refuses && this.#refuses.untilMs > clock.now() ? this.#refuses.reason : null),
      isDead: () => !this.isAlive,
      pause: (place) =>
        this.pause(fate.between(1_000, MAX_PAUSE_MS, `length of pause ${this.name} ${place}`)),
    }
  }

  /** An open breaker refuses before anything reaches the outside. */
  #breakers(): Breakers {
    return {
      run: (name, work) =>
        this.#strikes('breaker-open', name)
          ? Promise.reject(new FlotillaError('BREAKER_OPEN', `${name}: injected`, { retryAfterMs: 500 }))
          : work(),
    }
  }

  #instruments(): Instruments {
    const { tally, note } = this.#world
    return {
      ...quietInstruments,
      handling: (input) => {
        if (input.topic === 'timer') tally.timers.add(input.eventId)
        note(`${this.name} ${input.stage} takes ${input.eventType} of ${input.key}`)
        return quietInstruments.handling(input)
      },
      count: (name, n = 1, labels) => {
        if (!this.isAlive) return
        if (name === 'lanes_opened') this.openings.used += n
        const { outcome } = { outcome: undefined, ...(labels as { outcome?: string } | undefined) }
        tally.count(outcome === undefined ? name : `${name}:${outcome}`, n)
        if (name === 'handlings_failed') tally.complaints.push(`a stage threw: ${JSON.stringify(labels)}`)
      },
      log: {
        ...quietInstruments.log,
        error: (fields: unknown, text?: string) => this.#complain(fields, text),
      },
    }
  }

  #complain(fields: unknown, text = ''): void {
    if (!this.isAlive) return
    const { tally, note } = this.#world
    const { err } = fields as { err?: unknown }
    tally.complaints.push(`${text}: ${err instanceof Error ? err.stack : JSON.stringify(fields)}`)
    note(`${this.name} logs an error: ${text}`)
  }

  /** The stage, with events that end the process. Anything later in the tick of its death is dropped. */
  #withDeaths(stage: Stage): Stage {
    const guard = <T>(phase: Phase, event: StageEvent, work: () => T): T => {
      if (!this.isAlive || this.#isDeadly(stage.name, phase, event.key, event.id))
        throw new Error('the process has died')
      return work()
    }
    const { conclude } = stage
    return {
      ...stage,
      decide: (event, rows, lane) => guard('decide', event, () => stage.decide(event, rows, lane)),
      ...(conclude
        ? {
            conclude: (event, rows, call, outcome, lane) =>
              guard('conclude', event, () => conclude(event, rows, call, outcome, lane)),
          }
        : {}),
    }
  }

  #isDeadly(stage: string, phase: Phase, key: string, id: string): boolean {
    const { deadly, fate, clock } = this.#world
    const kind = 'crash-by-event'
    if (!this.isAlive || !deadly.kills(stage, phase, key, id)) return false
    const place = `${stage} ${phase} ${key}`
    if (!fate.strikes(kind, place, 1, clock.now())) return false
    deadly.died(key)
    this.crash(kind, place)
    return true
  }

  #withCrashes(callers: Readonly<Record<string, Caller>>): Record<string, Caller> {
    const { fate, clock } = this.#world
    return mapped(
      callers,
      (caller, kind) =>
        (async (request, context) => {
          const stage = stageOf(kind)
          if (this.#isDeadly(stage, 'call', context.key, context.callId)) return never()
          const place = `${kind} ${context.key}`
          if (this.#strikes('crash-before-call', place)) return never()
          if (this.#isDoomed('crash-in-call', place))
            clock.schedule(fate.between(0, 1_500, `in call ${this.name} ${place}`), () =>
              this.crash('crash-in-call', place),
            )
          const value = await this.clock.heard(caller(request, context))
          return this.#strikes('crash-before-journal', place) ? never() : value
        }) as Caller,
    )
  }
}

/** The stage that makes calls of this kind; other kinds kill no process. */
const stageOf = (kind: string): string =>
  ({ model: 'planner', tool: 'tool-executor', code: 'code-sandbox' })[kind] ?? kind

function mapped<T>(
  record: Readonly<Record<string, T>>,
  change: (value: T, name: string) => T,
): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]))
}
