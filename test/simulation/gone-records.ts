// Records that the log has lost: their effects are checked all the same.
import { eventIdOf } from '../../runtime/host/lane/event-records.ts'
import type { LogRecord } from '../../runtime/log/port.ts'
import type { World } from '../../runtime/testing/simulator/world.ts'
import type { TopicName } from '../../schemas/topics.ts'

export interface Kept {
  readonly record: LogRecord
  /** As long as its topic was the one that it is no more. */
  readonly eventId: string
}

export class GoneRecords {
  readonly #world: World
  readonly #kept: Kept[] = []

  constructor(world: World) {
    this.#world = world
  }

  /** Call before the loss, with nothing under way. */
  async keep(topic: TopicName): Promise<void> {
    const log = this.#world.broker.connect()
    const origin = { partitions: log.partitions, topicIds: await log.topicIds([topic]) }
    for (let partition = 0; partition < log.partitions; partition++)
      for (const record of await log.read(topic, partition, 0, 1_000_000))
        this.#kept.push({ record, eventId: eventIdOf(record, origin) })
  }

  /** Those that are not among the records which the log has now. */
  without(present: readonly LogRecord[]): Kept[] {
    const there = new Set(present.map(placeOf))
    return this.#kept.filter(({ record }) => !there.has(placeOf(record)))
  }
}

const placeOf = ({ topic, partition, offset, leaderEpoch }: LogRecord): string =>
  `${topic} ${partition}:${offset} ${leaderEpoch}`
