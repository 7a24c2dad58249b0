// A lane's positions: rows of its state topic, written with the commits that move them, and what the group shows of
// them (position-reports.ts). Both carry the host's metadata, then the leader epoch of the last record read, the id of
// the topic that was read, that of the lane's state topic, and the epoch of the lane.
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
// 5. A row counts, whatever the group shows, which is up to a second older, or past aborted transactions. The group's
//    position counts where there is no row (a lane of a release before rows, a move, a state topic that was
//    re-created), and where it has no mark: somebody has set it by hand since. It is marked at the opening that takes
//    it, in one transaction with the row.
// 6. A row has a version above that of any stage: an earlier release, which would begin at the group's position and
//    handle records again, declines the lane (host/lane/state.ts, NewerState).
// 7. A row under the key of a position that is not as this release writes it, and does not claim to be of a later one,
//    is another program's: it is no position, and its owner reports it.
import type { InputLoss, LogTopic, Position, StateRow } from '../../port.ts'
import { cutAt, nextOf } from '../../position-metadata.ts'
import { rowObject } from '../../row-object.ts'
import type { Context } from '../context.ts'
import { cutBelow, NO_EPOCH } from '../fetch/leader-epochs.ts'
import type { Link } from '../connection/link.ts'
import { committedOffsets } from '../group/positions.ts'
import { boundsOf } from '../fetch/partition-reader.ts'

/** No character of the host's metadata (host/lane/offsets.ts). */
const MARK = '|'
const ID = '.'
/** Hex digits of the topic's id that are kept: enough to distinguish it from its predecessors. */
const ID_DIGITS = 12
/** The host's metadata if nothing beyond is finished: with a mark it can't be empty, for older readers. */
const NOTHING_BEYOND = '0'
/** Key of a row, before the topic's logical name. No key of an owner's row begins so, and earlier releases read it. */
const ROW = '\u0000position\u0000'
const ROW_VERSION = 1_000

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

/** A position with its mark, as rows and the group have it. */
export interface MarkedPosition {
  readonly topic: LogTopic
  readonly offset: number
  readonly text: string
}

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
  return `${metadata || NOTHING_BEYOND}${MARK}${mark}`
}

/** The mark alone, for a broker that takes less metadata. */
export const withoutFinished = (text: string): string => NOTHING_BEYOND + text.slice(text.lastIndexOf(MARK))

export const markedPosition = ({ topic, offset, metadata }: Position, mark: Mark): MarkedPosition => ({
  topic,
  offset,
  text: encodeMetadata(metadata, mark),
})

export const positionRow = ({ topic, offset, text }: MarkedPosition): StateRow => ({
  key: ROW + topic,
  value: Buffer.from(JSON.stringify({ v: ROW_VERSION, d: [offset, text] })),
})

/** Null: a row of the lane's owner, who also gets one of a later release. */
export function positionIn(key: string, value: Buffer): MarkedPosition | 'unreadable' | null {
  if (!key.startsWith(ROW)) return null
  const { v, d } = rowObject(value) ?? {}
  if (Number(v) > ROW_VERSION) return null
  const [offset, text] = Array.isArray(d) ? (d as readonly unknown[]) : []
  if (!Number.isSafeInteger(offset) || Number(offset) < 0 || typeof text !== 'string') return 'unreadable'
  return { topic: key.slice(ROW.length) as LogTopic, offset: Number(offset), text }
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

/** What the group shows of this lane. */
export async function shownPositions(context: Context, link: Link, lane: Lane): Promise<MarkedPosition[]> {
  const { names, settings } = context
  const logical = new Map(lane.topics.map((topic) => [names.topic(topic), topic]))
  const groupId = names.group('stage', lane.stage)
  const within = settings.deliveryTimeoutMs
  const committed = await committedOffsets(link, groupId, [...logical.keys()], [lane.lane], within)
  return committed.flatMap(({ topic, offset, metadata: text }) => {
    const name = logical.get(topic)
    return name === undefined ? [] : [{ topic: name, offset, text }]
  })
}

/** A lane's positions at its opening. */
export interface FoundPositions {
  readonly positions: readonly LanePosition[]
  /** Topics of those among them that were set by hand. */
  readonly byHand: readonly LogTopic[]
  /** Those among them of which the group shows none, or another one. */
  readonly unshown: readonly MarkedPosition[]
  /** Latest epoch of an opening that any position names; -1: none does. */
  readonly latestEpoch: number
}

export function choosePositions(
  rows: readonly MarkedPosition[],
  shown: readonly MarkedPosition[],
): FoundPositions {
  const byTopic = new Map(rows.map((row) => [row.topic, row]))
  for (const each of shown) {
    const isFirst = !byTopic.has(each.topic)
    // What an operator's tool notes beside a position says nothing about records; 0.1.0 left out a mark that is empty.
    if (isFirst || !isMarked(each)) byTopic.set(each.topic, isFirst ? each : { ...each, text: '' })
  }
  const chosen = [...byTopic.values()]
  return {
    positions: chosen.map(readMark),
    byHand: chosen.filter((each) => !isMarked(each)).map(({ topic }) => topic),
    unshown: chosen.filter(({ topic, offset, text }) => {
      return !shown.some((each) => each.topic === topic && each.offset === offset && each.text === text)
    }),
    latestEpoch: Math.max(-1, ...[...rows, ...shown].map((each) => readMark(each).laneEpoch)),
  }
}

/** Where a lane's rows ended. */
export interface StateEnd {
  /** Id of the topic that holds them, as positions carry it. */
  readonly stateId: string
  /** The end of the last transaction, which the broker writes behind its rows. Infinity: some that were written are gone. */
  readonly offset: number
}

/** The traces of a lane's rows at its opening. */
export interface StateTraces {
  /** Id of the topic that holds them, as positions carry it. */
  readonly stateId: string
  /** Offset of the row that this opening has written. */
  readonly opened: number
  /** The same of the former opening; -1: its row is not there. */
  readonly formerOpened: number
  readonly written: readonly MarkedPosition[]
  readonly shown: readonly MarkedPosition[]
  /** Where rows ended that this process has written. */
  readonly former: StateEnd | null
}

/** Whether rows are gone that were written: an offset is given again, or the group names an opening that left no row. */
export function isCutOff({ stateId, opened, formerOpened, written, shown, former }: StateTraces): boolean {
  if (stateId === '') return false
  if (former?.stateId === stateId && opened <= former.offset) return true
  const latest = Math.max(formerOpened, ...written.map((row) => readMark(row).laneEpoch))
  return shown.map(readMark).some((mark) => mark.stateId === stateId && mark.laneEpoch > latest)
}

const isMarked = ({ text }: MarkedPosition): boolean => text.includes(MARK)

const readMark = ({ topic, offset, text }: MarkedPosition): LanePosition => ({
  topic,
  offset,
  ...decodeMetadata(text),
})

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
