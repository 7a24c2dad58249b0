// A lane's positions as the group keeps them: the host's metadata, and behind it the leader epoch of the last record read.
//
// 1. At opening each position is compared with its log: where the records of that epoch end before it, the log was cut off,
//    and what stands there now was never read. The position goes back to the cut.
// 2. A position that goes back is committed before anything is read from it, so that it holds for every later owner.
import type { InputLoss, LogTopic, Position } from '../port.ts'
import type { Context } from './context.ts'
import { cutBelow, NO_EPOCH } from './leader-epochs.ts'
import type { Link } from './link.ts'
import { committedOffsets } from './offsets.ts'

/** No character of the host's metadata (host/offsets.ts). */
const EPOCH = '|'

export interface LanePosition extends Position {
  readonly leaderEpoch: number
}

export interface Lane {
  readonly stage: string
  readonly topics: readonly LogTopic[]
  readonly lane: number
}

export function encodeMetadata(metadata: string, leaderEpoch: number): string {
  return leaderEpoch === NO_EPOCH ? metadata : `${metadata}${EPOCH}${leaderEpoch.toString(36)}`
}

export function decodeMetadata(text: string): { metadata: string; leaderEpoch: number } {
  const at = text.lastIndexOf(EPOCH)
  if (at < 0) return { metadata: text, leaderEpoch: NO_EPOCH }
  const leaderEpoch = Number.parseInt(text.slice(at + 1), 36)
  return { metadata: text.slice(0, at), leaderEpoch: Number.isNaN(leaderEpoch) ? NO_EPOCH : leaderEpoch }
}

export async function readPositions(context: Context, link: Link, lane: Lane): Promise<LanePosition[]> {
  const { names, settings } = context
  const logical = new Map(lane.topics.map((topic) => [names.topic(topic), topic]))
  const groupId = names.group('stage', lane.stage)
  const within = settings.deliveryTimeoutMs
  const committed = await committedOffsets(link, groupId, [...logical.keys()], [lane.lane], within)
  return committed.flatMap(({ topic, offset, metadata }) => {
    const name = logical.get(topic)
    return name === undefined ? [] : [{ topic: name, offset, ...decodeMetadata(metadata) }]
  })
}

/** Positions that lie behind a cut of their log. */
export async function cutPositions(
  context: Context,
  link: Link,
  lane: number,
  positions: readonly LanePosition[],
): Promise<InputLoss[]> {
  const compared = positions.map(async ({ topic, offset, leaderEpoch }): Promise<InputLoss[]> => {
    const at = { topic: context.names.topic(topic), partition: lane, offset, epoch: leaderEpoch }
    const ask = (): Promise<number | null> => cutBelow(link, at)
    const to = await link.attempt(ask, { withinMs: context.settings.deliveryTimeoutMs })
    return to === null ? [] : [{ topic, cause: 'truncated', from: offset, to }]
  })
  return (await Promise.all(compared)).flat()
}
