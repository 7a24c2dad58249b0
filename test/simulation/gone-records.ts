// Records that the log has lost: what was made of them is looked at all the same.
import type { LogRecord } from '../../runtime/log/port.ts'
import type { World } from '../../runtime/testing/simulator/world.ts'
import type { TopicName } from '../../schemas/topics.ts'

export class GoneRecords {
  readonly #world: World
  readonly #kept: LogRecord[] = []

  constructor(world: World) {
    this.#world = world
  }

  /** Call before the loss, with nothing under way. */
  async keep(topic: TopicName): Promise<void> {
    const log = this.#world.broker.connect()
    for (let partition = 0; partition < log.partitions; partition++)
      for (const record of await log.read(topic, partition, 0, 1_000_000)) this.#kept.push(record)
  }

  /** Those that are not among the records which the log has now. */
  without(present: readonly LogRecord[]): LogRecord[] {
    const there = new Set(present.map(placeAndTime))
    return this.#kept.filter((record) => !there.has(placeAndTime(record)))
  }
}

/** An offset that was given twice was given at two times. */
const placeAndTime = ({ topic, partition, offset, timestampMs, key }: LogRecord): string =>
  `${topic} ${partition}:${offset} ${timestampMs} ${key}`
