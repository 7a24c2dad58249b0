// Committed positions of a group.
import type { OffsetTopics } from '../connection/client.ts'
import type { Link } from '../connection/link.ts'

export interface CommittedOffset {
  /** Name on the broker. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly metadata: string
}

/** Only positions that were ever committed. */
export async function committedOffsets(
  link: Link,
  groupId: string,
  topics: readonly string[],
  partitions: readonly number[],
  withinMs: number,
): Promise<CommittedOffset[]> {
  const wanted = topics.map((topic) => ({
    topic,
    partitions: partitions.map((partition) => ({ partition })),
  }))
  const { responses } = await link.attempt(
    async () => (await link.coordinator('group', groupId)).offsetFetch({ groupId, topics: wanted }),
    { withinMs },
  )
  return responses.flatMap(({ topic, partitions: of }) =>
    of
      .map(({ partition, offset, metadata }) => ({
        topic,
        partition,
        offset: Number(offset),
        metadata: metadata ?? '',
      }))
      .filter(({ offset }) => offset >= 0),
  )
}

/** As requests have them. */
export function byTopic(positions: readonly CommittedOffset[]): OffsetTopics['topics'] {
  return [...Map.groupBy(positions, ({ topic }) => topic)].map(([topic, of]) => {
    const partitions = of.map(({ partition, offset, metadata }) => ({
      partition,
      offset: String(offset),
      metadata,
    }))
    return { topic, partitions }
  })
}
