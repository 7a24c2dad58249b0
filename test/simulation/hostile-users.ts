// Malicious users and faulty programs: what they may write to the open topics, and what must come of it.
//
// 1. A record with a task id of its own is a task like another: one result.
// 2. A record that nobody can read, or whose task id is invalid, is refused: a dead letter with its position,
//    or a result that says rejected.
// 3. Records that the broker refuses have no effect.
import { homeOf } from '../../runtime/log/home.ts'
import type { Log, LogRecord, OutgoingRecord } from '../../runtime/log/port.ts'
import { LOG_RECORD_BYTES } from '../../runtime/log/limits.ts'
import type { World } from '../../runtime/testing/simulator/world.ts'
import type { EventMap } from '../../schemas/generated/events.ts'
import { headers, type TopicName } from '../../schemas/topics.ts'
import { emptyTask as nothing } from '../../schemas/task-fields.ts'
import { abilities, type Ability } from './abilities.ts'
import type { Deadly } from './deadly.ts'
import type { Deeds } from './deeds.ts'
import {
  controlOf,
  foreignHeaders,
  foreignTimes,
  garbageOf,
  hostileIds,
  outputSchemas,
} from './hostile-input.ts'
import type { Spoilt, Users } from './users.ts'

/** A record that no stage may act on. */
export interface Refusable extends Spoilt {
  readonly deed: string
}

const ordinary = { ...nothing, userId: 'mallory', agent: 'tools', timeoutMs: 60_000 }
const ACT_FOR_MS = 20_000
/** Attempts of one kind in a run. */
const MOST_ATTEMPTS = 3
const MOST_FOLLOW_UPS = 2

export class HostileUsers {
  /** Must each end as a dead letter, or as a rejected result where it was a submission. */
  readonly refusable: Refusable[] = []
  /** Ids that no task may have; a result that rejects may show them. */
  readonly ids = new Set<string>()
  refusedByBroker = 0
  #followed = 0
  readonly #world: World
  readonly #deeds: Deeds
  readonly #users: Users
  readonly #log: Log
  readonly #seed: number

  constructor(world: World, deeds: Deeds, users: Users, seed: number) {
    this.#world = world
    this.#deeds = deeds
    this.#users = users
    this.#seed = seed
    this.#log = world.broker.connect()
  }

  begin(drawn: ReadonlySet<Ability>, deadly: Deadly): void {
    for (const { taskId, stage } of deadly.plans)
      this.#deeds.later(taskId, this.#world.fate.between(0, ACT_FOR_MS, `${taskId} at`), () =>
        this.#submit(taskId, {
          taskId,
          text: `do ${taskId}`,
          agent: stage === 'code-sandbox' ? 'code' : 'tools',
        }),
      )
    const attacks: Partial<Record<Ability, (name: string, victim: string) => unknown>> = {
      'hostile ids': (name, victim) => this.#useIdOf(name, victim),
      'foreign headers': (name) => this.#submitWith(name, foreignHeaders(this.#world.fate, name)),
      'foreign times': (name) => this.#submitAt(name),
      'hostile schemas': (name) => this.#submitSchema(name),
      'any size': (name) => this.#sendGarbage(name),
      'stage-named readers': (name) => this.#readAsStage(name),
    }
    for (const ability of abilities) {
      const act = attacks[ability]
      if (drawn.has(ability) && act) this.#plan(ability, act)
    }
    if (drawn.has('hostile ids')) this.#tail('tasks.history', (record) => this.#approveBeside(record))
    if (drawn.has('foreign headers')) this.#tail('tasks.completed', (record) => this.#followUp(record))
  }

  #plan(ability: Ability, act: (name: string, victim: string) => unknown): void {
    const { fate } = this.#world
    const count = fate.between(1, MOST_ATTEMPTS, ability)
    for (let index = 0; index < count; index++) {
      const name = `${ability.replaceAll(' ', '-')}-${index}`
      const victim = `t${this.#seed}-${fate.between(0, this.#users.count - 1, `${name} victim`)}`
      this.#deeds.later(name, fate.between(0, ACT_FOR_MS, `${name} at`), () => act(name, victim))
    }
  }

  #tail(topic: TopicName, watch: (record: LogRecord) => void): void {
    this.#log.tail({ topics: [topic], from: 'earliest' }, (records) => records.forEach(watch))
  }

  /** Submits, cancels, approves or rates under an id that no task can have. */
  #useIdOf(name: string, victim: string): void {
    const { fate, broker, codec } = this.#world
    const id = fate.pick(hostileIds(victim, broker.partitions), `${name} id`)
    this.ids.add(id)
    const type = fate.pick(['TaskSubmitted', 'TaskCancelled', 'FeedbackGiven'] as const, `${name} what`)
    if (type === 'TaskSubmitted') {
      const value = codec.encode(
        type,
        { ...ordinary, taskId: id, text: `do ${id.slice(0, 99)}` },
        'tasks.submitted',
      )
      void this.#refusable(name, 'tasks.submitted', id, value)
    } else this.#control(name, type, controlOf(type, id))
  }

  #control<T extends 'TaskCancelled' | 'FeedbackGiven' | 'ApprovalDecided'>(
    name: string,
    type: T,
    data: EventMap[T] & { taskId: string },
  ): void {
    void this.#refusable(
      name,
      'tasks.control',
      data.taskId,
      this.#world.codec.encode(type, data, 'tasks.control'),
    )
  }

  /** Every wait for an approval gets an impostor too. */
  #approveBeside({ value, headers: header }: LogRecord): void {
    if (value === null || header[headers.schema] !== 'TaskProgressed') return
    const { codec, broker, fate } = this.#world
    const decoded = codec.decode(value, 'tasks.history')
    if (decoded instanceof Promise || decoded.type !== 'TaskProgressed') return
    if (decoded.data.kind !== 'approval_requested') return
    const { taskId, detail } = decoded.data
    const { callId } = detail as { callId?: string }
    if (callId === undefined) return
    const [taskBeside = ''] = hostileIds(taskId, broker.partitions)
    const name = `approval-beside-${callId}`
    this.ids.add(taskBeside)
    this.#deeds.later(name, fate.between(100, 9_000, `${name} at`), () =>
      this.#control(name, 'ApprovalDecided', { ...controlOf('ApprovalDecided', taskBeside), callId }),
    )
  }

  /** A service that reads results and writes tasks, and copies headers as Kafka Streams does. */
  #followUp({ headers: header, partition, offset }: LogRecord): void {
    const { fate } = this.#world
    if (this.#followed >= MOST_FOLLOW_UPS || !fate.chance(`follow-up ${partition} ${offset}`, 0.3)) return
    const name = `follow-up-${this.#followed++}`
    for (const copy of ['', ' again'])
      this.#deeds.later(name + copy, fate.between(0, 3_000, `${name}${copy} at`), () =>
        this.#submitWith(name + copy, header),
      )
  }
  #submitWith(name: string, header: Readonly<Record<string, string>>, timestampMs?: number): void {
    const taskId = `${name.replaceAll(' ', '-')}.${this.#seed}`
    this.#submit(name, { taskId, text: `do ${taskId}` }, header, timestampMs)
  }

  /** Submits once, twice or three times, like a producer that repeats unacknowledged sends. */
  #submitAt(name: string): void {
    const { fate, clock } = this.#world
    const timestampMs = fate.pick(foreignTimes(clock.now()), `${name} time`)
    const times = fate.between(1, 3, `${name} times`)
    for (let time = 0; time < times; time++)
      clock.schedule(time * 4_000, () => this.#submitWith(name, {}, timestampMs))
  }

  #submitSchema(name: string): void {
    const taskId = `${name}.${this.#seed}`
    const outputSchema = this.#world.fate.pick(outputSchemas, name)
    this.#submit(name, { taskId, text: `do ${taskId}`, outputSchema })
  }

  #submit(
    name: string,
    task: Partial<EventMap['TaskSubmitted']> & { taskId: string },
    header: Readonly<Record<string, string>> = {},
    timestampMs?: number,
  ): void {
    const { codec, clock } = this.#world
    const value = codec.encode('TaskSubmitted', { ...ordinary, ...task }, 'tasks.submitted')
    const record = this.#record(name, 'tasks.submitted', task.taskId, value, header)
    if (!this.#users.submissions.some(({ taskId }) => taskId === task.taskId))
      this.#users.submissions.push({ taskId: task.taskId, isWrong: false })
    void this.#world.broker.produce(record, timestampMs ?? clock.now())
  }

  #sendGarbage(name: string): void {
    const { fate } = this.#world
    const topic = fate.pick(['tasks.submitted', 'tasks.control', 'alerts.control'] as const, `${name} topic`)
    const key = fate.pick(['k', null, 'x'.repeat(100_000)], `${name} key`)
    const value = garbageOf(fate.pick([0, 1, 7, 100_000, 600_000, LOG_RECORD_BYTES - 200, 2_000_000], name))
    void this.#refusable(name, topic, key, value)
  }

  #readAsStage(name: string): void {
    const { fate, clock, stages } = this.#world
    const group = fate.pick(stages, `${name} group`).name
    const tail = this.#log.tail({ topics: ['tasks.completed'], from: 'latest', group }, () => undefined)
    // Some go away again.
    if (fate.chance(`${name} leaves`, 0.5)) clock.schedule(10_000, () => void tail.close())
  }

  async #refusable(
    name: string,
    topic: TopicName,
    key: string | null,
    value: Uint8Array | null,
  ): Promise<void> {
    const record = this.#record(name, topic, key, value)
    const { partition } = record
    try {
      const offset = await this.#world.broker.produce(record, this.#world.clock.now())
      this.refusable.push({ deed: name, topic, partition, offset })
    } catch {
      this.refusedByBroker++
    }
  }

  #record(
    name: string,
    topic: TopicName,
    key: string | null,
    value: Uint8Array | null,
    header: Readonly<Record<string, string>> = {},
  ): OutgoingRecord {
    const { fate, broker } = this.#world
    const isAstray = key === null || fate.chance(`${name} astray`, 0.25)
    const partition = isAstray
      ? fate.between(0, broker.partitions - 1, `${name} to`)
      : homeOf(key, broker.partitions)
    return { topic, partition, key: fate.chance(`${name} keyless`, 0.2) ? null : key, value, headers: header }
  }
}
