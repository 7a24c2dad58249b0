// A lane's positions as the group keeps them: the host's metadata, then the leader epoch of the last record
// read, the id of the topic that was read, that of the lane's state topic, and the epoch of the lane.
//
// 1. A position is valid for the topic whose id it carries. If another topic has the name at an opening,
//    nothing of it was read: the position goes to its earliest record. (Brokers forget the positions of a
//    topic that is deleted; but a running lane may commit one afterwards.)
// 2. At opening each position is compared with its log: if the records of that epoch end before it, the log
//    was truncated, and the records there now were never read. The position goes back to the cut.
// 3. A position that goes back is committed before anything is read from it, so that it is valid for every
//    later owner.
// 4. If another topic has the name of the state topic, the lane's state is lost, which is reported; and its
//    epochs, which are offsets there, continue from the last one: journal entries of former epochs still
//    belong to a former owner.
import type { InputLoss, LogTopic, Position } from '../port.ts'
import { cutAt, nextOf } from '../position-metadata.ts'
import type { Context } from './context.ts'
import { cutBelow, NO_EPOCH } from './leader-epochs.ts'
import type { Link } from './link.ts'
import { committedOffsets } from './group-positions.ts'
import { boundsOf } from './partition-reader.ts'

/** No character of the host's metadata (host/lane/offsets.ts). */
const MARK = '|'
const ID = '.'
/** Hex digits of the topic's id that are kept: enough to distinguish it from its predecessors. */
const ID_DIGITS = 12
/** The host's metadata if nothing beyond is finished: with a mark it can't be empty, for older readers. */
const NOTHING_BEYOND = '0'

/** Identifies the log of a position. */
export interface Mark {
  readonly leaderEpoch: number
  /** Empty if it is not known. */
  readonly topicId: string
  /** Id of the topic that holds the lane's state. Empty if it is not known. */
  readonly stateId: string
  /** Epoch of the opening that committed the position; -1 if it is not known. */
  readonly laneEpoch: number
}

/** The parts of a mark that identify the opening which commits it. */
export type Opening = Pick<Mark, 'stateId' | 'laneEpoch'>

export interface LanePosition extends Position, Mark {}

export interface Lane {
  readonly stage: string
  readonly topics: readonly LogTopic[]
  readonly lane: number
}

/** As positions carry it. */
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

/** A position that goes back, and the loss to report. */
export interface Reset {
  readonly loss: InputLoss
  readonly position: LanePosition
}

/**
 * Finds positions that do not match the current topic. `gone`: losses that a former opening has found
 * already. A topic without a position is read from its earliest record anyway.
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

/** Whether both ids are known and differ. */
export function isAnother(read: string, now: string): boolean {
  return read !== '' && now !== '' && read !== now
}
