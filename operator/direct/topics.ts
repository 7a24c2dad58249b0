// The fleet's topics, on the log itself.
import type { Log } from '../../runtime/log/port.ts'
import { topics, type TopicName } from '../../schemas/topics.ts'
import { absentIn, ledRanges } from './led-ranges.ts'

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
  /** Partitions that no broker leads: their records are not counted. Absent: there are none. */
  leaderless?: number[] | undefined
}

export interface TopicOperator {
  list(): Promise<TopicView[]>
}

export function directTopics(log: Log): TopicOperator {
  return {
    list: async () => {
      const names = topics.map(({ name }) => name)
      const { ranges, leaderless: without } = await rangesOf(log, names)
      return topics.map(({ name, events, purpose }) => {
        const own = ranges.filter(({ topic }) => topic === name)
        const leaderless = without.flatMap(({ topic, partition }) => (topic === name ? [partition] : []))
        const records = own.reduce((sum, { earliest, next }) => sum + next - earliest, 0)
        const partitions = own.length + leaderless.length
        return {
          ...{ name, partitions, records, events, purpose },
          ...(leaderless.length > 0 ? { leaderless } : {}),
        }
      })
    },
  }
}

/** Missing topics are left out, so that the list shows which. Rejects with TOPICS_MISSING if all are missing. */
async function rangesOf(log: Log, names: readonly TopicName[]): ReturnType<typeof ledRanges> {
  try {
    return await ledRanges(log, names)
  } catch (error) {
    const absent = absentIn(error)
    const others = names.filter((name) => !absent.includes(name))
    if (absent.length === 0 || others.length === 0) throw error
    return ledRanges(log, others)
  }
}
