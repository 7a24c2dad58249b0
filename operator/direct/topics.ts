// The fleet's topics, on the log itself.
import type { Log } from '../../runtime/log/port.ts'
import { topics, type TopicName } from '../../schemas/topics.ts'

export interface TopicView {
  name: TopicName
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
      const ranges = await log.ranges(topics.map(({ name }) => name))
      return topics.map(({ name, events, purpose }) => {
        const own = ranges.filter(({ topic }) => topic === name)
        const records = own.reduce((sum, { earliest, next }) => sum + next - earliest, 0)
        return { name, partitions: own.length, records, events, purpose }
      })
    },
  }
}
