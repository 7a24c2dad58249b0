// Checks after the faults, when everything has ended: in a fleet at rest there is no excuse for slowness or
// silence.
//
// 1. After attacks of hostile users, a task in every lane is answered as fast as ever.
// 2. A flood of control records for a running task delays no other task of its lane.
// 3. Nor does one whose every second record waits, in a stage whose ledger is away: positions stay short
//    enough for the log.
// 4. A task whose payload is lost fails for that reason, and one whose payload can't be read for a while
//    waits for it; no other task waits.
// 5. Offsets that go back and records that are gone raise an alarm; tasks that are submitted afterwards get
//    their results.
import { homeOf } from '../../runtime/log/home.ts'
import type { FadingBlobs } from '../../runtime/testing/simulator/fading-blobs.ts'
import type { World } from '../../runtime/testing/simulator/world.ts'
import type { TopicName } from '../../schemas/topics.ts'
import { emptyTask as nothing } from '../../schemas/task-fields.ts'
import type { Ability } from './abilities.ts'
import type { Deeds } from './deeds.ts'
import { GoneRecords } from './gone-records.ts'
import { controlOf } from './hostile-input.ts'
import { BULKY_TASK, QUICK_TASK, SLOW_TASK } from './model-answers.ts'
import type { Users } from './users.ts'

export interface Probe {
  readonly taskId: string
  readonly atMs: number
  /** How long its answer may take. */
  readonly withinMs: number
}

/** A quick task: a few commits, one call of two seconds at most. */
const PROBE_MS = 10_000
/** Until a process that was killed has been replaced and given up. */
const RESTART_MS = 12_000
const FLOOD = 400
/** Pairs of records. Written apart, two bytes each, they are more than a position may have. */
const METADATA_FLOOD = 300
const AWAY_MS = 15_000

/** Actions that it may take on the run. */
export interface Powers {
  readonly killAll: () => void
  readonly loseLedger: (untilMs: number) => void
  readonly blobs: Pick<FadingBlobs, 'loseUntil' | 'beAwayUntil'>
}

export type Loss = 'recreated' | 'truncated' | 'retention'

export class Afterwards {
  readonly probes: Probe[] = []
  /** Losses of the log while everything was at rest, and how many lost records nobody had read. */
  readonly losses: {
    readonly kind: Loss
    readonly topic: TopicName
    readonly unread: number
    alarms: number
  }[] = []
  /** Tasks whose large payload was not available. */
  readonly bulky: { readonly taskId: string; readonly kind: 'lost' | 'away'; readonly untilMs: number }[] = []
  readonly gone: GoneRecords
  readonly #world: World
  readonly #deeds: Deeds
  readonly #users: Users
  readonly #seed: number
  readonly #powers: Powers
  #firstLane: number | null = null

  constructor(world: World, deeds: Deeds, users: Users, seed: number, powers: Powers) {
    this.#world = world
    this.#deeds = deeds
    this.#users = users
    this.#seed = seed
    this.#powers = powers
    this.gone = new GoneRecords(world)
  }

  begin(drawn: ReadonlySet<Ability>): void {
    if (drawn.size === 0) return
    const loses = drawn.has('offsets go back')
    // One after the other: a task that the log loses before anybody has read it has no result, and one whose tool
    // request is lost runs until its deadline.
    const floodMs = loses ? 75_000 : 1_000
    if (loses) this.#deeds.later('loss', 1_000, () => void this.#lose())
    if (drawn.has('floods')) this.#deeds.later('flood', floodMs, () => this.#flood())
    if (drawn.has('metadata floods'))
      this.#deeds.later('metadata-flood', floodMs, () => this.#floodMetadata())
    if (drawn.has('missing payloads')) this.#deeds.later('payload', floodMs, () => this.#losePayload())
    for (let lane = 0; lane < this.#world.broker.partitions; lane++)
      this.#deeds.later(`probe-${lane}`, floodMs + 30_000, () => this.#probe(`last-${lane}`, lane, PROBE_MS))
  }

  #submit(text: string, name: string, lane: number): string {
    const { broker, codec, clock } = this.#world
    const ids = Array.from({ length: 100 }, (_, index) => `${name}.${this.#seed}.${index}`)
    const taskId = ids.find((id) => homeOf(id, broker.partitions) === lane) ?? name
    const task = { ...nothing, taskId, text: `${text} ${taskId}`, agent: 'tools', userId: name }
    const value = codec.encode('TaskSubmitted', { ...task, timeoutMs: 120_000 }, 'tasks.submitted')
    this.#users.submissions.push({ taskId, isWrong: false })
    const record = { topic: 'tasks.submitted', partition: lane, key: taskId, value, headers: {} } as const
    void broker.produce(record, clock.now())
    return taskId
  }

  #probe(name: string, lane: number, withinMs: number): void {
    const taskId = this.#submit(QUICK_TASK, name, lane)
    this.probes.push({ taskId, atMs: this.#world.clock.now(), withinMs })
  }

  /** Each trouble has a lane of its own: two tasks that wait for long fill a lane's window, and a third must wait. */
  #ownLane(index: number): number {
    const { broker, fate } = this.#world
    // Drawn once: each draw differs.
    this.#firstLane ??= fate.between(0, broker.partitions - 1, 'lane of troubles')
    return (this.#firstLane + index) % broker.partitions
  }

  #flood(): void {
    const { broker, clock, codec } = this.#world
    const lane = this.#ownLane(0)
    const slow = this.#submit(SLOW_TASK, 'slow', lane)
    clock.schedule(2_000, () => {
      const value = codec.encode('FeedbackGiven', controlOf('FeedbackGiven', slow), 'tasks.control')
      for (let count = 0; count < FLOOD; count++)
        void broker.produce(
          { topic: 'tasks.control', partition: lane, key: slow, value, headers: {} },
          clock.now(),
        )
    })
    clock.schedule(3_000, () => this.#probe('beside', lane, PROBE_MS))
  }

  /** Feedback waits for the ledger; a decision about an unknown call is finished by metering at once. */
  #floodMetadata(): void {
    const { broker, clock, codec } = this.#world
    const lane = this.#ownLane(1)
    this.#powers.loseLedger(clock.now() + AWAY_MS)
    const rated = this.#submit(QUICK_TASK, 'rated', lane)
    const send = (type: 'FeedbackGiven' | 'ApprovalDecided', taskId: string): void => {
      const data = { ...controlOf(type, taskId), ...(type === 'ApprovalDecided' ? { callId: 'none' } : {}) }
      const value = codec.encode(type, data, 'tasks.control')
      void broker.produce(
        { topic: 'tasks.control', partition: lane, key: taskId, value, headers: {} },
        clock.now(),
      )
    }
    let sent = 0
    for (let index = 0; sent < METADATA_FLOOD; index++) {
      const nobody = `nobody-${index}`
      if (homeOf(nobody, broker.partitions) !== lane) continue
      send('FeedbackGiven', rated)
      send('ApprovalDecided', nobody)
      sent++
    }
    clock.schedule(1_000, () => this.#probe('beside-metadata', lane, PROBE_MS))
  }

  #losePayload(): void {
    const { clock, fate, note } = this.#world
    const lane = this.#ownLane(2)
    const kind = fate.pick(['lost', 'away'] as const, 'payload')
    const untilMs = clock.now() + AWAY_MS
    note(`the blob store: large payloads are ${kind}`)
    if (kind === 'lost') this.#powers.blobs.loseUntil(untilMs)
    else this.#powers.blobs.beAwayUntil(untilMs)
    this.bulky.push({ taskId: this.#submit(BULKY_TASK, 'bulky', lane), kind, untilMs })
    clock.schedule(5_000, () => this.#probe('beside-payload', lane, PROBE_MS))
  }

  async #lose(): Promise<void> {
    const world = this.#world
    const { fate, broker, clock, tally, note } = world
    const kind = fate.pick(['recreated', 'truncated', 'retention'] as const, 'loss')
    const topic =
      kind === 'retention'
        ? 'tasks.submitted'
        : fate.pick(['tasks.submitted', 'tasks.control', 'tools.requested'] as const, 'lost')
    const lane = fate.between(0, broker.partitions - 1, 'lost lane')
    const isFelt = kind === 'recreated' ? lanesOf(broker.partitions) : [lane]
    // A lane that has never read the topic can't know that there was anything before.
    const isRead = (partition: number): boolean =>
      world.stages.some(({ name }) => broker.position(name, topic, partition) !== undefined)
    if (!isFelt.some(isRead)) return
    const unread = kind === 'retention' ? 3 : 0
    if (unread > 0 || fate.chance('lost while nobody reads', 0.5)) this.#powers.killAll()
    for (let index = 0; index < unread; index++) await this.#unread(lane, index)
    await this.gone.keep(topic)
    note(`the log: ${topic} is ${kind}`)
    if (kind === 'recreated') broker.recreate(topic)
    else if (kind === 'truncated') broker.truncate(topic, lane, fate.between(1, 3, 'lost records'))
    else broker.discard(topic, lane, broker.end(topic, lane))
    this.losses.push({ kind, topic, unread, alarms: -tally.alarms })
    for (const partition of isFelt) this.#probe(`after-${partition}`, partition, PROBE_MS + RESTART_MS)
    clock.schedule(25_000, () => {
      const loss = this.losses[0]
      if (loss) loss.alarms += tally.alarms
    })
  }

  /** A submission that retention deletes before anybody has read it. */
  async #unread(lane: number, index: number): Promise<void> {
    const { broker, codec, clock } = this.#world
    const task = { ...nothing, taskId: `unread-${index}`, text: 'nobody reads this' }
    const value = codec.encode('TaskSubmitted', task, 'tasks.submitted')
    await broker.produce(
      { topic: 'tasks.submitted', partition: lane, key: task.taskId, value, headers: {} },
      clock.now(),
    )
  }
}

const lanesOf = (count: number): number[] => Array.from({ length: count }, (_, lane) => lane)
