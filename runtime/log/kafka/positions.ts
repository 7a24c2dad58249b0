// A lane's positions as the group keeps them: the host's metadata, and behind it the leader epoch of the last record read, the
// id of the topic that was read, that of the lane's state topic, and the epoch of the lane.
//
// 1. A position counts in the topic whose id it bears. Where another topic has the name at an opening, nothing of that one was
//    read: the position goes to its earliest record. (Brokers forget the positions of a topic that is deleted; but a lane that
//    runs may commit one afterwards.)
// 2. At opening each position is compared with its log: where the records of that epoch end before it, the log was cut off,
//    and what stands there now was never read. The position goes back to the cut.
// 3. A position that goes back is committed before anything is read from it, so that it holds for every later owner.
// 4. Where another topic has the name of the state topic, what the lane knew is gone, which is reported; and its epochs, which
//    are offsets there, go on from the last one: what is in the journal under former epochs is a former owner's still.
import type { InputLoss, LogTopic, Position } from '../port.ts'
import { cutAt, nextOf } from '../position-metadata.ts'
import type { Context } from './context.ts'
import { cutBelow, NO_EPOCH } from './leader-epochs.ts'
import type { Link } from './link.ts'
import { committedOffsets } from './group-positions.ts'
import { boundsOf } from './partition-reader.ts'

/** No character of the host's metadata (host/offsets.ts). */
const MARK = '|'
const ID = '.'
/** Of the topic's id, as hex digits: enough to tell it from its predecessors. */
const ID_DIGITS = 12
/** The host's metadata of a position beyond which nothing is finished, for those who know no marks: with one it can't be empty. */
const NOTHING_BEYOND = '0'

/** Which log a position is of. */
export interface Mark {
  readonly leaderEpoch: number
  /** Empty where it is not known. */
  readonly topicId: string
  /** Of the topic that holds the lane's state. Empty where it is not known. */
  readonly stateId: string
  /** Of the opening that committed the position; -1 where it is not known. */
  readonly laneEpoch: number
}

/** What positions say of the opening that commits them. */
export type Opening = Pick<Mark, 'stateId' | 'laneEpoch'>

export interface LanePosition extends Position, Mark {}

export interface Lane {
  readonly stage: string
  readonly topics: readonly LogTopic[]
  readonly lane: number
}

/** As positions bear it. */
export const shortId = (topicId: string): string => topicId.slice(0, ID_DIGITS)

export function encodeMetadata(metadata: string, { leaderEpoch, topicId, stateId, laneEpoch }: Mark): string {
  const epoch = leaderEpoch === NO_EPOCH ? '' : leaderEpoch.toString(36)
  const opening = stateId === '' ? ['', ''] : [stateId, laneEpoch.toString(36)]
  // Releases before this one read the first two.
  const mark = [epoch, topicId, ...opening].join(ID).replace(/\.+$/, '')
  return mark === '' ? metadata : `${metadata || NOTHING_BEYOND}${MARK}${mark}`
}

export function decodeMetadata(text: string): { metadata: string } & Mark {
  const at = text.lastIndexOf(MARK)
  const metadata = at < 0 ? text : text.slice(0, at)
  const mark = at < 0 ? '' : text.slice(at + 1)
  const [epoch = '', topicId = '', stateId = '', laneEpoch = ''] = mark.split(ID)
  return {
    metadata: at >= 0 && metadata === NOTHING_BEYOND ? '' : metadata,
    leaderEpoch: epochIn(epoch) ?? NO_EPOCH,
    topicId,
    stateId,
    laneEpoch: epochIn(laneEpoch) ?? -1,
  }
}

function epochIn(text: string): number | null {
  const epoch = Number.parseInt(text, 36)
  return Number.isNaN(epoch) ? null : epoch
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

/** A position that goes back, and what is said of it. */
export interface Reset {
  readonly loss: InputLoss
  readonly position: LanePosition
}

/**
 * Positions that are not of what their topic holds now. `gone`: losses of which a former opening has learnt already. A topic
 * without a position is read from its earliest record in any case.
 */
export async function resetsOf(
  context: Context,
  link: Link,
  lane: number,
  found: {
    readonly positions: readonly LanePosition[]
    readonly ids: ReadonlyMap<LogTopic, string>
    readonly gone: readonly InputLoss[]
  },
): Promise<Reset[]> {
  const reset = async (position: LanePosition): Promise<Reset[]> => {
    const { topic } = position
    const name = context.names.topic(topic)
    const topicId = found.ids.get(topic) ?? ''
    const from = nextOf(position)
    if (isAnother(position.topicId, topicId)) {
      const [bounds] = await boundsOf(link, name, [lane])
      const to = bounds?.earliest ?? 0
      const start = { ...position, offset: to, metadata: '', leaderEpoch: NO_EPOCH, topicId }
      return [{ loss: { topic, cause: 'recreated', from, to }, position: start }]
    }
    const known = found.gone.filter((loss) => loss.topic === topic && loss.cause === 'truncated')
    const asked = { topic: name, partition: lane, offset: from, epoch: position.leaderEpoch }
    const to = known.length > 0 ? Math.min(...known.map((loss) => loss.to)) : await cutBelow(link, asked)
    if (to === null) return []
    const back = { ...cutAt(position, to), leaderEpoch: NO_EPOCH, topicId }
    return [{ loss: known[0] ?? { topic, cause: 'truncated', from, to }, position: back }]
  }
  const within = { withinMs: context.settings.deliveryTimeoutMs }
  return (await Promise.all(found.positions.map((each) => link.attempt(() => reset(each), within)))).flat()
}

/** Whether both ids are known, and differ. */
export function isAnother(read: string, now: string): boolean {
  return read !== '' && now !== '' && read !== now
}
