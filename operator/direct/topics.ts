// The fleet's topics, on the log itself.
import { FlotillaError } from '../../runtime/errors.ts'
import type { Log, PartitionRange } from '../../runtime/log/port.ts'
import { topics, type TopicName } from '../../schemas/topics.ts'

export interface TopicView {
  name: TopicName
  /** 0: the topic does not exist. */
  partitions: number
  /**
   * Offsets between the earliest and the next, over all partitions; on Kafka they include control records.
   */
  records: number
  events: readonly string[]
  purpose: string
}

export interface TopicOperator {
  list(): Promise<TopicView[]>
}

export function directTopics(log: Log): TopicOperator {
  return {
    list: async () => {
      const ranges = await rangesOf(
        log,
        topics.map(({ name }) => name),
      )
      return topics.map(({ name, events, purpose }) => {
        const own = ranges.filter(({ topic }) => topic === name)
        const records = own.reduce((sum, { earliest, next }) => sum + next - earliest, 0)
        return { name, partitions: own.length, records, events, purpose }
      })
    },
  }
}

/** Missing topics are left out, so that the list shows which. Rejects with TOPICS_MISSING if all are missing. */
async function rangesOf(log: Log, names: readonly TopicName[]): Promise<PartitionRange[]> {
  try {
    return await log.ranges(names)
  } catch (error) {
    if (!isMissing(error)) throw error
    const each = await Promise.allSettled(names.map((name) => log.ranges([name])))
    const found = each.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []))
    const other = each.find((outcome) => outcome.status === 'rejected' && !isMissing(outcome.reason))
    if (other?.status === 'rejected') throw other.reason
    if (found.length === 0) throw error
    return found
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof FlotillaError && error.code === 'TOPICS_MISSING'
