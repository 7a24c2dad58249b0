// One simulated run: the real router, planner and tool-executor on real hosts, a virtual clock, and kills between any two
// operations. Then what must hold:
//
// A. every submitted task has exactly one TaskCompleted, however often it was submitted;
// B. no journalled call was made again, no tool that is not idempotent ran twice, and a call was repeated only where the
//    process that made it first had died;
// C. the usage in a task's result is the usage recorded for it;
// D. nothing stays in flight: no task left in planner or tool-executor, nothing pending, no lane closed.
import { createCodec } from '../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../runtime/codec/embedded-registry.ts'
import type { Codec, Decoded } from '../../runtime/codec/port.ts'
import { homeOf } from '../../runtime/log/home.ts'
import { createMemoryBroker } from '../../runtime/log/memory/log.ts'
import type { Log } from '../../runtime/log/port.ts'
import type { EventMap } from '../../schemas/generated/events.ts'
import type { TopicName } from '../../schemas/topics.ts'
import { memoryBlobs, memoryKeyValue } from '../../runtime/store/memory.ts'
import { CallBook } from '../../runtime/testing/simulator/call-book.ts'
import { Random } from '../../runtime/testing/simulator/random.ts'
import {
  noFaults,
  SimProcess,
  type FaultRates,
  type World,
} from '../../runtime/testing/simulator/sim-process.ts'
import { VirtualClock } from '../../runtime/testing/simulator/virtual-clock.ts'
import { simulatedCallers, simulatedFleet, simulatedStages } from './scenario.ts'

export interface SimulationReport {
  readonly seed: number
  /** Empty: every invariant held. */
  readonly violations: readonly string[]
  readonly tasks: number
  readonly kills: number
  readonly calls: number
  /** Calls made again after a crash between answer and journal. */
  readonly inDoubt: number
  readonly steps: number
  readonly virtualMs: number
}

const START_MS = 1_750_000_000_000
const PARTITIONS = 3
const PROCESSES = 2
const FAULTS_FOR_MS = 40_000
const LIMIT_MS = 30 * 60_000
const LOOK_EVERY_MS = 1_000

/** A change of the world before the run: mutants show that the invariants can fail (mutants.ts). */
export type Mutation = (world: World) => World

export async function simulate(
  seed: number,
  mutation: Mutation = (world) => world,
): Promise<SimulationReport> {
  return new Simulation(seed, mutation).run()
}

interface Submission {
  readonly taskId: string
  readonly text: string
}

class Simulation {
  private readonly seed: number
  private readonly random: Random
  private readonly clock = new VirtualClock(START_MS)
  private readonly broker
  private readonly codec: Codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'sim' })
  private readonly book = new CallBook()
  private readonly processes = new Map<string, SimProcess>()
  private readonly world: World
  private readonly submissions: Submission[] = []
  private readonly users: Log
  private kills = 0
  private calm = false
  private started = 0
  private toSubmit = 0

  constructor(seed: number, mutation: Mutation) {
    this.seed = seed
    this.random = new Random(seed)
    this.broker = createMemoryBroker({ partitions: PARTITIONS, clock: this.clock })
    this.users = this.broker.connect()
    const rates = this.drawRates()
    const { clock, random, broker, codec, book } = this
    this.world = mutation({
      clock,
      random,
      broker,
      codec,
      book,
      keyValue: memoryKeyValue({ clock, durable: true }),
      blobs: memoryBlobs(),
      stages: simulatedStages(simulatedFleet()),
      journal: { leaseMs: 2_000, keepMs: 86_400_000, forgottenMs: 3_600_000 },
      callers: simulatedCallers({ clock, random, failures: () => (this.calm ? 0 : 0.08) }),
      rates: () => (this.calm ? noFaults : rates),
      onKill: (process) => this.killed(process),
      isAlive: (name) => this.processes.get(name)?.isAlive ?? false,
    })
  }

  private drawRates(): FaultRates {
    const upTo = (most: number) => this.random.next() * most
    return {
      killAtStore: upTo(0.01),
      killAtCommit: upTo(0.02),
      killAtCall: upTo(0.02),
      storeFails: upTo(0.03),
      commitFails: upTo(0.03),
      commitUncertain: upTo(0.03),
      redeliver: upTo(0.1),
      breakerOpen: upTo(0.03),
    }
  }

  async run(): Promise<SimulationReport> {
    await this.codec.prepare()
    for (let index = 0; index < PROCESSES; index++) this.startProcess()
    this.planSubmissions()
    this.clock.schedule(this.random.between(1_000, FAULTS_FOR_MS), () => this.broker.rebalance('planner'))
    await this.clock.run(START_MS + FAULTS_FOR_MS, () => false)
    this.calm = true
    const violations: string[] = []
    if (!(await this.untilQuiet()))
      violations.push(`not quiet after ${LIMIT_MS / 60_000} minutes: ${this.describeUnfinished()}`)
    violations.push(...this.book.violations, ...(await this.checkLog()))
    return {
      seed: this.seed,
      violations,
      tasks: this.submissions.length,
      kills: this.kills,
      calls: this.book.calls.length,
      inDoubt: this.book.repeated,
      steps: this.clock.steps,
      virtualMs: this.clock.now() - START_MS,
    }
  }

  private startProcess(): void {
    const process = new SimProcess(this.world, `p${++this.started}`)
    this.processes.set(process.name, process)
    void process.start()
  }

  private killed(_process: SimProcess): void {
    this.kills++
    this.clock.schedule(this.random.between(0, 6_000), () => this.startProcess())
  }

  private planSubmissions(): void {
    const count = this.random.between(6, 16)
    this.toSubmit = count
    for (let index = 0; index < count; index++) {
      const task = { taskId: `t${this.seed}-${index}`, text: `task ${this.seed} ${index}` }
      this.submissions.push(task)
      const atMs = this.random.between(0, 20_000)
      this.clock.schedule(atMs, () => this.submit(task, index))
      if (this.random.chance(0.15))
        this.clock.schedule(atMs + this.random.between(0, 10_000), () => this.submit(task, index))
      if (this.random.chance(0.15))
        this.clock.schedule(Math.max(0, atMs + this.random.between(-200, 8_000)), () => this.cancel(task))
    }
  }

  private submit(task: Submission, index: number): void {
    const optional = {
      userId: null,
      agent: null,
      mode: null,
      profile: null,
      model: null,
      maxSteps: null,
      maxCost: null,
      priority: null,
      sessionId: null,
      outputSchema: null,
      parent: null,
      strategy: null,
      complexity: null,
      quality: null,
      estimatedTokens: null,
    }
    const timeoutMs = index % 5 === 0 ? 3_000 : 120_000
    this.toSubmit--
    // Every fourth comes from a client that hashes otherwise.
    this.publish(
      'tasks.submitted',
      'TaskSubmitted',
      { ...optional, ...task, timeoutMs },
      task.taskId,
      index % 4 === 0,
    )
  }

  private cancel({ taskId }: Submission): void {
    this.publish(
      'tasks.control',
      'TaskCancelled',
      { taskId, reason: null, requestedBy: null },
      taskId,
      this.random.chance(0.3),
    )
  }

  private publish<T extends keyof EventMap>(
    topic: TopicName,
    type: T,
    data: EventMap[T],
    key: string,
    astray: boolean,
  ): void {
    const partition = astray ? this.random.between(0, PARTITIONS - 1) : homeOf(key, PARTITIONS)
    void this.users.publish([
      { topic, partition, key, value: this.codec.encode(type, data, topic), headers: {} },
    ])
  }

  private live(): SimProcess[] {
    return [...this.processes.values()].filter((process) => process.isAlive)
  }

  private async untilQuiet(): Promise<boolean> {
    for (let untilMs = this.clock.now(); untilMs < START_MS + LIMIT_MS; untilMs += LOOK_EVERY_MS) {
      await this.clock.run(untilMs, () => false)
      if (this.areHostsQuiet() && (await this.readAll('tasks.completed')).length >= this.submissions.length)
        return true
    }
    return false
  }

  private areHostsQuiet(): boolean {
    if (this.toSubmit > 0 || this.live().length < PROCESSES) return false
    const statuses = this.live().flatMap((process) => process.status())
    const assigned = statuses.reduce((sum, { assigned: lanes }) => sum + lanes, 0)
    if (assigned !== PARTITIONS * this.world.stages.length) return false
    // Router keeps each id, planner and tool-executor their marks, for days: those lanes are quiet too.
    return statuses.every(({ open, assigned: lanes, pending }) => open === lanes && pending === 0)
  }

  private async readAll(topic: TopicName): Promise<Decoded[]> {
    const events: Decoded[] = []
    for (let partition = 0; partition < PARTITIONS; partition++)
      for (const record of await this.users.read(topic, partition, 0, 100_000))
        events.push(await this.codec.decode(record.value ?? new Uint8Array(), topic))
    return events
  }

  private async checkLog(): Promise<string[]> {
    const violations: string[] = []
    const results = new Map<string, EventMap['TaskCompleted'][]>()
    for (const { data } of (await this.readAll('tasks.completed')) as { data: EventMap['TaskCompleted'] }[])
      results.set(data.taskId, [...(results.get(data.taskId) ?? []), data])
    for (const { taskId } of this.submissions) {
      const found = results.get(taskId) ?? []
      if (found.length !== 1)
        violations.push(
          `task ${taskId} has ${found.length} results: ${found.map(({ status }) => status).join(', ')}`,
        )
    }
    for (const taskId of results.keys())
      if (!this.submissions.some((task) => task.taskId === taskId))
        violations.push(`a result of ${taskId}, which nobody submitted`)
    const letters = await this.readAll('dead-letters')
    for (const { data } of letters as { data: EventMap['DeadLettered'] }[])
      violations.push(`dead letter: ${data.message}`)
    return [...violations, ...(await this.checkUsage(results))]
  }

  private async checkUsage(results: Map<string, EventMap['TaskCompleted'][]>): Promise<string[]> {
    const recorded = new Map<string, number>()
    for (const { data } of (await this.readAll('usage.recorded')) as { data: EventMap['UsageRecorded'] }[])
      if (data.kind === 'model')
        recorded.set(data.taskId, (recorded.get(data.taskId) ?? 0) + data.inputTokens)
    return [...results].flatMap(([taskId, [result]]) => {
      const inResult = result?.usage.inputTokens ?? 0
      const inLedger = recorded.get(taskId) ?? 0
      return inResult === inLedger
        ? []
        : [`task ${taskId}: ${inResult} input tokens in its result, ${inLedger} recorded`]
    })
  }

  private describeUnfinished(): string {
    const statuses = this.live().flatMap((process) =>
      process.status().map((status) => ({ process: process.name, ...status })),
    )
    return JSON.stringify({ of: this.submissions.length, statuses })
  }
}
