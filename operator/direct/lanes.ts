// Lanes of every stage: who owns each, and how far it is behind.
import type { Codec } from '../../runtime/codec/port.ts'
import { isPausedBy, readPauses } from '../../runtime/pauses.ts'
import type { GroupMembers, Log, LogTopic } from '../../runtime/log/port.ts'
import { stages, topics } from '../../schemas/topics.ts'
import { ledRanges } from './led-ranges.ts'

export interface LaneView {
  stage: string
  lane: number
  /** Process and host on Kafka, the process on one machine; null if nobody has the lane. */
  owner: string | null
  /** An operator has paused its stage. */
  paused: boolean
  /** Records that it has not finished yet. On Kafka control records count too. */
  lag: number
  /** The topics with a lag, and positions in all that it reads. */
  topics: { topic: LogTopic; position: number; next: number }[]
  /** Topics whose partition of this lane no broker leads: they are not in the lag. Absent: there are none. */
  leaderless?: LogTopic[] | undefined
}

export interface LaneOperator {
  list(): Promise<LaneView[]>
}

export function directLanes(log: Log, codec: Codec): LaneOperator {
  return {
    list: async () => {
      const pauses = await readPauses(log, codec)
      return (await Promise.all(stages.map((stage) => lanesOf(log, stage, isPausedBy(pauses, stage))))).flat()
    },
  }
}

async function lanesOf(log: Log, stage: string, paused: boolean): Promise<LaneView[]> {
  const [members, positions] = await Promise.all([log.members(stage), log.positions(stage)])
  // Of a stage that nobody runs, its positions say what it reads.
  const read = new Set([...members.topics, ...positions.map(({ topic }) => topic)])
  const known = [...read].filter((topic) => topics.some(({ name }) => name === topic))
  const { ranges, leaderless: without } = await ledRanges(log, known)
  const committed = new Map(positions.map((each) => [`${each.topic} ${each.partition}`, each.offset]))
  return Array.from({ length: log.partitions }, (_, lane) => {
    const own = ranges
      .filter(({ partition }) => partition === lane)
      .map(({ topic, partition, earliest, next }) => {
        const position = Math.max(earliest, committed.get(`${topic} ${partition}`) ?? 0)
        return { topic, position: Math.min(position, next), next }
      })
    const lag = own.reduce((sum, { position, next }) => sum + next - position, 0)
    const leaderless = without.flatMap(({ topic, partition }) => (partition === lane ? [topic] : []))
    return {
      ...{ stage, lane, owner: ownerOf(lane, members), paused, lag, topics: own },
      ...(leaderless.length > 0 ? { leaderless } : {}),
    }
  })
}

const ownerOf = (lane: number, { owners }: GroupMembers): string | null =>
  owners.find((each) => each.lane === lane)?.owner ?? null
