// The log within one process, over any LogStorage: the embedded log and the simulator's run this same code.
import { topics as contract } from '../../../schemas/topics.ts'
import type { TopicSpec } from '../../../schemas/topics.ts'
import type { Clock } from '../../clock.ts'
import { FlotillaError, messageOf } from '../../errors.ts'
import { isDamage, WriteUncertain } from '../../store/data-file/errors.ts'
import { mustBePublishable } from '../limits.ts'
import { CommitFailed, CommitUncertain, LaneFenced } from '../port.ts'
import type {
  GroupMembers,
  KeySearch,
  Log,
  LogRecord,
  LogTopic,
  OutgoingRecord,
  PartitionRange,
  RangeOptions,
} from '../port.ts'
import { Group } from './group.ts'
import { partitionsMismatch } from './partitions.ts'
import { Pump } from './reader.ts'
import type { LogStorage, Slot } from './storage.ts'

export interface EngineOptions {
  readonly kind: Log['kind']
  readonly partitions: number
  readonly storage: LogStorage
  readonly clock: Clock
  /** Runs `fn` in a later tick, in the order of calls. */
  readonly soon: (fn: () => void) => void
}

/** Records deleted in one transaction of the sweep, so that it never delays a commit for long. */
const SWEEP_RECORDS = 5_000
/** A group not seen for this long no longer keeps records from retention. */
const GROUP_FORGOTTEN_MS = 30 * 86_400_000
/** Records of one key that a search reads, newest first: there should be one. */
const MAX_OF_KEY = 10
const READ_BYTES = 64 * 1_048_576

export class Engine {
  readonly kind: Log['kind']
  readonly partitions: number
  readonly storage: LogStorage
  readonly clock: Clock
  readonly soon: (fn: () => void) => void
  readonly pump: Pump
  readonly #groups = new Map<string, Group>()
  readonly #subscriptions = new Map<string, Set<LogTopic>>()
  readonly #failureListeners = new Set<(error: Error) => void>()
  #failure: Error | null = null

  constructor(options: EngineOptions) {
    this.kind = options.kind
    this.partitions = options.partitions
    this.storage = options.storage
    this.clock = options.clock
    this.soon = options.soon
    this.pump = new Pump({ ...options, onDamage: (error) => this.#fail(error) })
  }

  /** Calls the listener once the log can't be used any more. Returns how to stop that. */
  onFailed(listener: (error: Error) => void): () => void {
    if (this.#failure) listener(this.#failure)
    this.#failureListeners.add(listener)
    return () => this.#failureListeners.delete(listener)
  }

  /** A lane has met this: damage ends the log for all, as it does where records are delivered. */
  met(error: unknown): void {
    if (isDamage(error) && this.#failureListeners.size > 0) this.#fail(error)
  }

  #fail(error: Error): void {
    if (this.#failure) return
    if (this.#failureListeners.size === 0) throw error
    this.#failure = error
    this.pump.close()
    for (const listener of this.#failureListeners) listener(error)
  }

  async ensureTopics(): Promise<void> {
    await this.storage.transact(() => this.createTopics())
    this.storage.topicsCreated()
  }

  /** Creates what is missing. Call inside `transact`, or before anything else uses the storage. */
  createTopics(): void {
    for (const spec of contract) this.#ensureTopic(spec)
  }

  #ensureTopic(spec: TopicSpec): void {
    const wanted = spec.partitions === 'shared' ? this.partitions : spec.partitions
    const found = this.storage.slots(spec.name)
    if (!found) this.storage.createTopic(spec.name, wanted)
    else if (found.length !== wanted) throw partitionsMismatch(spec.name, found.length, wanted)
  }

  slots(topic: LogTopic): readonly Slot[] {
    const found = this.storage.slots(topic)
    if (found) return found
    throw new FlotillaError(
      'TOPICS_MISMATCH',
      `topic ${topic} does not exist here; flotilla start creates it`,
    )
  }

  slot(topic: LogTopic, partition: number): Slot {
    const slots = this.slots(topic)
    const found = slots[partition]
    if (found) return found
    throw new FlotillaError('TOPICS_MISMATCH', `${topic} has no partition ${partition}, only ${slots.length}`)
  }

  /** The group's members in this process. Names are those of `groupName`. */
  group(name: string, lanes: number): Group {
    const found = this.#groups.get(name) ?? new Group(name, lanes, this.soon)
    this.#groups.set(name, found)
    return found
  }

  members(name: string): GroupMembers {
    return this.#groups.get(name)?.view ?? { topics: [], owners: [] }
  }

  async subscribe(group: string, topics: readonly LogTopic[]): Promise<void> {
    for (const topic of topics) this.slots(topic)
    const known = this.#subscriptions.get(group) ?? new Set()
    this.#subscriptions.set(group, known)
    for (const topic of topics) known.add(topic)
    await this.storage.transact(() => this.#noteSubscriptions(group))
  }

  #noteSubscriptions(group: string): void {
    for (const topic of this.#subscriptions.get(group) ?? [])
      this.storage.subscribe(group, topic, this.clock.now())
  }

  /** Call inside `transact`, with slots found before, so that it can't fail half way. */
  append(records: readonly OutgoingRecord[], slots: readonly Slot[]): number[] {
    const now = this.clock.now()
    return records.map((record, i) => this.storage.append(slots[i] as Slot, record, now))
  }

  async publish(
    records: readonly OutgoingRecord[],
  ): Promise<{ topic: LogTopic; partition: number; offset: number }[]> {
    const slots = records.map(({ topic, partition }) => this.slot(topic, partition))
    mustBePublishable(records)
    const offsets = await this.storage.transact(() => this.append(records, slots))
    this.pump.wake(new Set(slots))
    return slots.map(({ topic, partition }, i) => ({ topic, partition, offset: offsets[i] as number }))
  }

  read(topic: LogTopic, partition: number, fromOffset: number, limit: number): LogRecord[] {
    return this.storage.read(this.slot(topic, partition), fromOffset, { records: limit, bytes: READ_BYTES })
  }

  find({ topic, partition, key, wanted }: KeySearch): LogRecord | null {
    const slot = this.slot(topic, partition)
    for (const offset of this.storage.offsetsOf(slot, key).slice(-MAX_OF_KEY).reverse()) {
      const [record] = this.read(topic, partition, offset, 1)
      if (record?.offset === offset && wanted(record)) return record
    }
    return null
  }

  ranges(topics: readonly LogTopic[], { partitions }: RangeOptions = {}): PartitionRange[] {
    return topics.flatMap((topic) =>
      this.slots(topic)
        .filter(({ partition }) => partitions?.includes(partition) ?? true)
        .map((slot) => {
          const { partition, next } = slot
          return { topic, partition, earliest: this.storage.earliest(slot), next }
        }),
    )
  }

  positions(group: string): { topic: LogTopic; partition: number; offset: number }[] {
    return this.storage
      .positions(group)
      .map(({ slot, offset }) => ({ topic: slot.topic, partition: slot.partition, offset }))
  }

  /** Deletes records past their topic's retention that every live group has consumed. Returns how many. */
  async sweep(): Promise<number> {
    const now = this.clock.now()
    let total = 0
    await this.storage.transact(() => {
      for (const group of this.#groups.values()) if (group.inUse) this.#noteSubscriptions(group.name)
    })
    for (const spec of contract) {
      for (const slot of this.storage.slots(spec.name) ?? []) {
        total += await this.#sweepSlot(slot, now - spec.retentionMs, now - GROUP_FORGOTTEN_MS)
      }
    }
    return total
  }

  async #sweepSlot(slot: Slot, beforeMs: number, groupsSinceMs: number): Promise<number> {
    if (this.storage.earliest(slot) >= slot.next) return 0
    let total = 0
    for (;;) {
      const deleted = await this.storage.transact(() =>
        this.storage.expire(slot, beforeMs, groupsSinceMs, SWEEP_RECORDS),
      )
      total += deleted
      if (deleted < SWEEP_RECORDS) return total
    }
  }
}

/** A storage error as one of the port: uncertain, or nothing written. Errors of port and table pass. */
export function asCommitError(error: unknown): Error {
  if (error instanceof LaneFenced || error instanceof CommitFailed || error instanceof CommitUncertain)
    return error
  const reason = messageOf(error)
  if (error instanceof WriteUncertain) return new CommitUncertain(reason, { cause: error })
  return new CommitFailed(reason, { cause: error })
}
