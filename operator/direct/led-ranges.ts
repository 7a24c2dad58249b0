import { FlotillaError } from '../../runtime/errors.ts'
import type { Log, LogTopic, PartitionRange } from '../../runtime/log/port.ts'

interface LedRanges {
  readonly ranges: PartitionRange[]
  /** Those that no broker leads: they have no range. */
  readonly leaderless: { readonly topic: LogTopic; readonly partition: number }[]
}

/** The ranges of these topics, of the partitions that have a leader. */
export async function ledRanges(log: Log, topics: readonly LogTopic[]): Promise<LedRanges> {
  const leaderless: LedRanges['leaderless'] = []
  const ranges = await log.ranges(topics, { onLeaderless: (at) => void leaderless.push(at) })
  return { ranges, leaderless }
}

/** The topics that the broker lacks, if that is why asking for ranges failed. */
export function absentIn(error: unknown): readonly string[] {
  if (!(error instanceof FlotillaError) || error.code !== 'TOPICS_MISSING') return []
  const { absent = [] } = (error.details ?? {}) as { absent?: readonly string[] }
  return absent
}
