// One simulated run: every stage that needs no socket on real hosts, in virtual time, with faults drawn from
// the seed.
//
// 1. Faults strike for a while; then they stop, and everything that was begun must end.
// 2. The invariants that must then hold are in invariants.ts. Then a week passes, and nothing may be left in
//    memory.
// 3. The same seed is the same run, byte for byte: `digest` covers all records and all calls.
import { createMemoryBroker, type MemoryBrokerOptions } from '../../runtime/testing/memory/log/log.ts'
import type { Limits } from '../../runtime/limits/port.ts'
import { LOG_METADATA_BYTES } from '../../runtime/log/limits.ts'
import { memoryBlobs, memoryKeyValue } from '../../runtime/testing/memory/store.ts'
import { CallBook, type Trouble } from '../../runtime/testing/simulator/call-book.ts'
import { fadingBlobs } from '../../runtime/testing/simulator/fading-blobs.ts'
import { Fate, type Fault, type FaultRates } from '../../runtime/testing/simulator/fate.ts'
import { replicatedStore } from '../../runtime/testing/simulator/replicated-store.ts'
import { SimProcess } from '../../runtime/testing/simulator/sim-process.ts'
import { VirtualClock } from '../../runtime/testing/simulator/virtual-clock.ts'
import { Witness } from '../../runtime/testing/simulator/witness.ts'
import { Tally, type World } from '../../runtime/testing/simulator/world.ts'
import type { Stage } from '../../runtime/stage.ts'
import { drawAbilities, type Ability } from './abilities.ts'
import { decodedOnce } from './decoded-once.ts'
import { Deeds, type Deed } from './deeds.ts'
import { openTopics, readEvidence } from './evidence.ts'
import { codec, stages } from './fleet.ts'
import { Afterwards } from './afterwards.ts'
import { Deadly } from './deadly.ts'
import { HostileUsers } from './hostile-users.ts'
import { checkRun, type Violation } from './invariants.ts'
import { Outside } from './outside.ts'
import { drawRates, noRates, notAlone, plannedKinds } from './rates.ts'
import { digestOf, endingsOf, ENTRY, watched } from './report.ts'
import { newerOf, Rollout, type Team } from './rollout.ts'
import { Users } from './users.ts'

export interface SimulationReport {
  readonly seed: number
  /** Empty: every invariant held. */
  readonly violations: readonly Violation[]
  readonly tasks: number
  readonly faults: readonly Fault[]
  readonly deeds: readonly Deed[]
  readonly abilities: readonly Ability[]
  readonly calls: number
  /** Calls made again, by the fault that explains it. */
  readonly inDoubt: Readonly<Record<string, number>>
  /** How tasks ended: error codes, or statuses. */
  readonly endings: Readonly<Record<string, number>>
  readonly steps: number
  readonly digest: string
  /** Only if requested. */
  readonly trace: readonly string[]
}

/** Changes the world before the run: mutants show that the invariants can fail (mutants.ts). */
export interface Mutation {
  readonly world?: (world: World) => World
  readonly storage?: MemoryBrokerOptions['storage']
  readonly limits?: (right: Limits) => Limits
  /** Every seed is a fleet on one machine. */
  readonly alone?: boolean
  /** Every seed has these abilities. */
  readonly abilities?: readonly Ability[]
}

export interface SimulationOptions {
  readonly mutation?: Mutation
  /** Ids of faults and actions: these and no others. */
  readonly only?: ReadonlySet<string>
  readonly trace?: boolean
  /** Replaces those that the seed draws. */
  readonly abilities?: readonly Ability[]
}

const START_MS = 1_750_000_000_000
const PARTITIONS = 3
const FAULTS_FOR_MS = 40_000
/** Time limit after the faults: longer than a task may live, with all its retries. */
const LIMIT_MS = 10 * 60_000
const LOOK_EVERY_MS = 1_000
const HORIZON_MS = 8 * 86_400_000
const LEASE_MS = 5_000
/** When processes of the next release replace the others. */
const ROLLOUT_MS = 15_000
/** Runs with one process at a time, as on one machine. */
const SHARE_ALONE = 0.25
/** Error messages of Redis and SQLite. */
const refusals = [
  "READONLY You can't write against a read only replica.",
  "OOM command not allowed when used memory > 'maxmemory'.",
  'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.',
  'database or disk is full',
]
/** Faults that last for a time. */
const lasting: ReadonlySet<string> = new Set(['pause', 'cut-off', 'store-away', 'store-refuses'])
/** Most that a host's clock is off: two differ by twice that, less than a lease without its renewals. */
const MAX_SKEW_MS = 1_500

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<SimulationReport> {
  return new Simulation(seed, options).run()
}

export class Simulation {
  readonly world: World
  readonly users: Users
  readonly hostile: HostileUsers
  readonly afterwards: Afterwards
  readonly abilities: ReadonlySet<Ability>
  readonly deeds: Deeds
  readonly trace: string[] = []
  readonly #seed: number
  readonly fate: Fate
  readonly clock = new VirtualClock(START_MS)
  readonly outside: Outside
  readonly processes = new Map<string, SimProcess>()
  readonly #teams: readonly Team[]
  readonly #teamOf = new Map<string, Team>()
  readonly rollout: Rollout
  readonly #store = replicatedStore(memoryKeyValue({ clock: this.clock, durable: true }), this.clock)
  readonly #blobs = fadingBlobs(memoryBlobs(), this.clock)
  readonly deadly: Deadly
  /** Tasks that have a result. */
  readonly #answered = new Set<string>()
  #calm = false
  /** When the last fault that lasts for a time is over. */
  #troubledUntilMs = 0

  constructor(seed: number, { mutation = {}, only, trace, abilities }: SimulationOptions) {
    this.#seed = seed
    this.fate = new Fate(seed, only ?? null)
    const drawn = drawAbilities(this.fate)
    this.abilities = abilities ? new Set(abilities) : new Set([...drawn, ...(mutation.abilities ?? [])])
    this.deadly = new Deadly(this.fate, seed, this.abilities.has('deadly events'))
    const limits = mutation.limits ?? ((right: Limits) => right)
    this.outside = new Outside(() => this.world, this, limits)
    this.world = this.#createWorld(mutation, trace ?? false)
    this.deeds = new Deeds(this.world, only ?? null)
    this.users = new Users(this.world, this.deeds)
    this.hostile = new HostileUsers(this.world, this.deeds, this.users, seed)
    this.afterwards = new Afterwards(this.world, this.deeds, this.users, seed, {
      killAll: () => this.#killAll(),
      loseLedger: (untilMs) => (this.outside.ledgerAwayUntilMs = untilMs),
      blobs: this.#blobs,
    })
    this.#teams = this.#drawTeams()
    this.rollout = new Rollout(this.fate, this.abilities.has('mixed versions'), this.world.alone)
  }

  #createWorld({ world: mutate = (world) => world, storage, alone }: Mutation, trace: boolean): World {
    const { clock, fate } = this
    const isFlooded = this.abilities.has('metadata floods')
    const isAlone = fate.chance('alone', alone === true ? 1 : SHARE_ALONE)
    const rates = isAlone ? { ...drawRates(fate), ...notAlone } : drawRates(fate)
    const book = new CallBook((process, sinceMs) => this.troubleOf(process, sinceMs))
    const world: World = {
      clock,
      fate,
      rates: () => (this.#calm ? noRates : rates),
      broker: createMemoryBroker({
        partitions: PARTITIONS,
        clock,
        createTime: fate.chance('CreateTime', 0.5) ? openTopics : [],
        ...(storage ? { storage } : {}),
      }),
      keyValue: watched(this.#store, book),
      blobs: this.#blobs,
      codec: decodedOnce(codec),
      stages,
      alone: isAlone,
      journal: isAlone
        ? { leaseMs: 0, keepMs: 7 * 86_400_000, forgottenMs: 0 }
        : { leaseMs: LEASE_MS, keepMs: 86_400_000, forgottenMs: 3_600_000 },
      // A slow disk reveals effects that precede the commit.
      slowestCommitMs: isAlone ? fate.pick([8, 600], 'slowest commit') : 8,
      hostOptions: {
        maxRowBytes: fate.pick([500, 4_000, 400_000], 'row size'),
        ...(isFlooded ? { maxMetadataBytes: 300 } : {}),
      },
      // A tenth of the limits of brokers and hosts, so that a flood need not be longer than others.
      metadataBytes: isFlooded ? 410 : LOG_METADATA_BYTES,
      callers: (process) => this.outside.callers(process),
      book,
      witness: new Witness(),
      tally: new Tally(),
      note: (text) => {
        if (trace) this.trace.push(`+${((clock.now() - START_MS) / 1_000).toFixed(3).padStart(7)} s  ${text}`)
      },
      deadly: this.deadly,
      onCrash: (process) => this.#replace(process),
    }
    return mutate(world)
  }

  troubleOf(process: string, sinceMs: number): Trouble | null {
    return this.processes.get(process)?.troubleSince(sinceMs) ?? null
  }

  /** All stages in each process, or four kinds of processes, as a fleet of services has. */
  #drawTeams(): Team[] {
    const { stages: all, alone } = this.world
    const team = (stages: readonly Stage[], wanted: number): Team => ({
      stages,
      newer: newerOf(stages),
      wanted,
    })
    if (alone) return [team(all, 1)]
    if (this.fate.chance('one kind of process', 0.6)) return [team(all, this.fate.between(1, 3, 'processes'))]
    return [0, 2, 4, 6].map((from) => team(all.slice(from, from + 2), 2))
  }

  /** Rolling forward, each process is replaced by one of the next release. */
  #rollForward(): void {
    this.clock.schedule(ROLLOUT_MS, () => {
      for (const [index, process] of this.live().entries())
        this.clock.schedule(index * 2_000, () => void process.drain().then(() => this.#replace(process.name)))
    })
  }

  async run(): Promise<SimulationReport> {
    process.on('unhandledRejection', this.#onRejection)
    try {
      return await this.#play()
    } finally {
      process.off('unhandledRejection', this.#onRejection)
    }
  }

  readonly #onRejection = (reason: unknown): void => {
    const text = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)
    this.world.tally.complaints.push(`a promise was rejected and nobody heard of it: ${text}`)
  }

  async #play(): Promise<SimulationReport> {
    if (this.rollout.direction === 'forward') this.#rollForward()
    for (const team of this.#teams) for (let count = 0; count < team.wanted; count++) this.#startProcess(team)
    this.#watchResults()
    this.users.begin(this.#seed)
    this.hostile.begin(this.abilities, this.deadly)
    this.#planFaults()
    await this.clock.run(START_MS + FAULTS_FOR_MS, () => false)
    this.#calm = true
    let isQuiet = await this.#untilQuiet()
    if (isQuiet) {
      this.outside.liftBudgets()
      this.afterwards.begin(this.abilities)
      isQuiet = await this.#untilQuiet()
    }
    const evidence = await readEvidence(this.world, this.afterwards.gone)
    const violations = await checkRun(this, evidence, isQuiet, () => this.pass(HORIZON_MS))
    const { book } = this.world
    return {
      seed: this.#seed,
      violations,
      tasks: this.users.submissions.length,
      faults: this.fate.faults,
      deeds: this.deeds.names,
      abilities: [...this.abilities],
      calls: book.calls.length,
      inDoubt: Object.fromEntries(book.explained),
      endings: endingsOf(evidence),
      steps: this.clock.steps,
      digest: digestOf(evidence.written, [book.calls, this.fate.faults]),
      trace: this.trace,
    }
  }

  #startProcess(team: Team): void {
    if (this.world.alone && this.live().length > 0) return
    const name = `p${this.processes.size + 1}`
    const fellows = this.live().filter((process) => this.#teamOf.get(process.name) === team)
    const isLate = this.clock.now() >= START_MS + ROLLOUT_MS
    const stages = this.rollout.stagesOf(team, name, fellows, isLate)
    const skewMs = this.fate.between(-MAX_SKEW_MS, MAX_SKEW_MS, `skew ${name}`)
    const process = new SimProcess(this.world, name, stages, skewMs)
    this.processes.set(name, process)
    this.#teamOf.set(name, team)
    this.world.note(`${name} starts${this.rollout.isNewer(name) ? ', of the next release' : ''}`)
    void process.start()
  }

  #replace(name: string): void {
    const team = this.#teamOf.get(name)
    if (team)
      this.clock.schedule(this.fate.between(0, 6_000, `restart of ${name}`), () => this.#startProcess(team))
  }

  live(): SimProcess[] {
    return [...this.processes.values()].filter((process) => process.isAlive)
  }

  #planFaults(): void {
    const rates = this.world.rates()
    for (const kind of plannedKinds) {
      const count = Math.round(rates[kind])
      for (let index = 0; index < count; index++) {
        const atMs = this.fate.between(500, FAULTS_FOR_MS - 1, `${kind} at`)
        this.clock.schedule(atMs, () => this.#strike(kind, rates))
      }
    }
  }

  #strike(kind: (typeof plannedKinds)[number], rates: FaultRates): void {
    const { fate, world } = this
    const victim = fate.pick(this.live(), `victim of ${kind}`)
    const group = fate.pick(world.stages, `group of ${kind}`).name
    const forMs = fate.between(100, 12_000, `length of ${kind}`)
    const team = victim && this.#teamOf.get(victim.name)
    if (!victim || !team || !fate.strikes(kind, 'at random', rates[kind] > 0 ? 1 : 0, this.clock.now()))
      return
    if (lasting.has(kind)) this.#troubledUntilMs = Math.max(this.#troubledUntilMs, this.clock.now() + forMs)
    if (kind === 'crash-anywhere') victim.crash(kind, 'at random')
    else if (kind === 'pause') victim.pause(forMs)
    else if (kind === 'cut-off') victim.cutOff(forMs)
    else if (kind === 'store-away') victim.loseStore(forMs)
    else if (kind === 'store-refuses') this.#haveStoreRefuse(forMs)
    else if (kind === 'store-forgets') void this.#failOver()
    else if (kind === 'rebalance') world.broker.rebalance(group)
    else if (kind === 'join') this.#startProcess(team)
    else void victim.drain().then(() => this.#replace(victim.name))
  }

  /** The store still answers, but refuses writes. */
  #haveStoreRefuse(forMs: number): void {
    const reason = this.fate.pick(refusals, 'why the store refuses')
    for (const process of this.live()) process.haveStoreRefuse(reason, forMs)
  }

  async #failOver(): Promise<void> {
    const keys = await this.#store.forget(this.fate.between(10, 1_000, 'forgotten writes'))
    this.world.note(`the store fails over and forgets ${keys.join(', ')}`)
    for (const key of keys) if (key.startsWith(ENTRY)) this.world.book.forget(key.slice(ENTRY.length))
    for (const process of this.live()) process.noteForgottenWrites()
  }

  async pass(ms: number): Promise<void> {
    await this.clock.run(this.clock.now() + ms, () => false)
  }

  #killAll(): void {
    for (const process of this.live()) process.crash('crash-anywhere', 'with all others')
  }

  async #untilQuiet(): Promise<boolean> {
    const limitMs = this.clock.now() + LIMIT_MS
    for (let untilMs = this.clock.now(); untilMs < limitMs; untilMs += LOOK_EVERY_MS) {
      await this.clock.run(untilMs, () => false)
      const isTroubled = this.clock.now() < this.#troubledUntilMs
      if (
        !isTroubled &&
        this.deeds.planned === 0 &&
        this.areHostsQuiet() &&
        this.backlog() === 0 &&
        this.#isAnswered()
      )
        return true
    }
    return false
  }

  #isAnswered(): boolean {
    return this.users.submissions.every(({ taskId }) => this.#answered.has(taskId))
  }

  #watchResults(): void {
    const log = this.world.broker.connect()
    log.tail({ topics: ['tasks.completed'], from: 'earliest' }, (records) => {
      for (const { key } of records) if (key !== null) this.#answered.add(key)
    })
  }

  areHostsQuiet(): boolean {
    const statuses = this.live().flatMap((process) => process.status())
    const open = statuses.reduce((sum, status) => sum + status.open, 0)
    const isBusy = statuses.some(
      ({ open: lanes, assigned, pending, committing }) => lanes !== assigned || pending + committing > 0,
    )
    return !isBusy && open === PARTITIONS * this.world.stages.length
  }

  /** Records that a stage has not finished. */
  backlog(): number {
    const { broker } = this.world
    let count = 0
    for (const { name, consumes } of this.world.stages)
      for (const { topic } of consumes)
        for (let lane = 0; lane < PARTITIONS; lane++) {
          const position = broker.position(name, topic, lane)
          // A position past the end belongs to lost records.
          count += Math.max(0, broker.end(topic, lane) - (position?.offset ?? 0))
        }
    return count
  }
}
