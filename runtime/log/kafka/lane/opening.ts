// Opens a lane (DESIGN §4).
//
// 1. Identity (fences former owners), LaneOpened row, rows up to that row with the positions among them. In this order,
//    so that what is read is final: the former owner's last transaction is complete before the identity is granted.
// 2. Reading rows stops at our own LaneOpened row, whose offset we know. An "end offset" would count control
//    records and could never be reached.
// 3. Compaction leaves a log's start where it is. If that has moved since the last opening, whose LaneOpened row says
//    where it was, rows were deleted: the lane's state is lost, which is reported.
// 4. Rows that were acknowledged and are gone (an unclean election, a disk that was restored) leave no trace in the state
//    topic. But this process knows where its own ended, and the group's positions name the epoch of an opening whose row
//    must be there.
import type { InputLoss, StateRow } from '../../port.ts'
import { rowObject } from '../../row-object.ts'
import { ensureStateTopic } from '../admin/admin.ts'
import { newLink, type Context } from '../context.ts'
import { errorType, isTransient } from '../errors.ts'
import { byTopic } from '../group/positions.ts'
import { KafkaLane, type LaneOptions, type Restored } from './lane.ts'
import { LaneProducer } from './producer.ts'
import type { Link } from '../connection/link.ts'
import { OPENED_KEY, rowMessage } from '../names.ts'
import { endsOf, readRange } from '../fetch/partition-reader.ts'
import {
  choosePositions,
  isAnother,
  isCutOff,
  markedPosition,
  positionIn,
  positionRow,
  resetsOf,
  shortId,
  shownPositions,
  withoutFinished,
  type FoundPositions,
  type LanePosition,
  type MarkedPosition,
  type Opening,
} from './positions.ts'
import { partitionKey } from '../produce/producer-session.ts'
import { lookAt } from '../admin/topic-watch.ts'

export async function openLane(context: Context, options: LaneOptions): Promise<KafkaLane> {
  const { names, settings } = context
  const stateTopic = names.stateTopic(options.stage)
  const link = newLink(context, [stateTopic, ...options.topics.map(names.topic)])
  const producer = new LaneProducer(link, {
    transactionalId: names.transactionalId(options.stage, options.lane),
    transactionTimeoutMs: settings.transactionTimeoutMs,
    deliveryTimeoutMs: settings.deliveryTimeoutMs,
  })
  options.opening.add(link)
  try {
    options.onWait('the brokers')
    await connect(context, link, options.stage)
    options.onWait('the transactional id, and the end of the last transaction of a former owner')
    const [start] = await Promise.all([startOf(context, link, stateTopic, options.lane), producer.open()])
    options.onWait('the commit of the row that begins its epoch')
    const opened = await writeOpened(context, options, producer, start)
    options.onWait('its state rows and positions')
    const [{ rows, positions: written, formerStart, formerOpened }, shown, ids] = await Promise.all([
      readRows(context, link, stateTopic, options.lane, opened),
      shownPositions(context, link, options),
      idsOf(context, link, options),
    ])
    const chosen = choosePositions(
      written.filter(({ topic }) => options.topics.includes(topic)),
      shown,
    )
    const epoch = Math.max(opened, options.after + 1, chosen.latestEpoch + 1)
    const found = { ...chosen, ...ids, epoch, hasOwnEpoch: epoch !== opened }
    const traces = { opened, formerOpened, written, shown, stateId: ids.stateId, former: options.stateEnd }
    options.onWait('the commit of its positions')
    const positions = await inStep(context, options, link, producer, found)
    if (start > formerStart) options.onStateLost('deleted')
    else if (isCutOff(traces)) options.onStateLost('truncated')
    return new KafkaLane(context, options, link, producer, { epoch, opened, rows, positions, ...ids })
  } catch (error) {
    await link.close()
    throw error
  } finally {
    options.opening.delete(link)
  }
}

/** Creates the state topic of a stage that `ensureTopics` did not get. */
async function connect(context: Context, link: Link, stage: string): Promise<void> {
  const missing = (error: unknown): boolean => errorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION'
  const dial = (retryable: (error: unknown) => boolean): Promise<void> =>
    link.attempt(() => link.connect(), { withinMs: context.settings.startTimeoutMs, retryable })
  try {
    await dial((error) => isTransient(error) && !missing(error))
  } catch (error) {
    if (!missing(error)) throw error
    await ensureStateTopic(context, stage)
    await dial(isTransient)
  }
}

async function startOf(context: Context, link: Link, topic: string, lane: number): Promise<number> {
  const found = await link.attempt(() => endsOf(link, topic, [lane], true), {
    withinMs: context.settings.deliveryTimeoutMs,
  })
  return found.get(lane) ?? 0
}

async function writeOpened(
  context: Context,
  options: LaneOptions,
  producer: LaneProducer,
  start: number,
): Promise<number> {
  const { stage, lane } = options
  const topic = context.names.stateTopic(stage)
  const value = Buffer.from(JSON.stringify({ type: 'LaneOpened', stage, lane, start }))
  const messages = [rowMessage({ key: OPENED_KEY, value })]
  const written = await producer.commit([{ topic, partition: lane, messages }])
  const epoch = written.get(partitionKey(topic, lane))?.[0]
  if (epoch === undefined || epoch < 0)
    throw new Error(`no offset for the LaneOpened row of ${topic}[${lane}]`)
  return epoch
}

/** Ids of the lane's topics, as positions carry them. */
async function idsOf(
  context: Context,
  link: Link,
  { stage, topics }: LaneOptions,
): Promise<Pick<Restored, 'ids' | 'stateId'>> {
  const { names, settings } = context
  const stateTopic = names.stateTopic(stage)
  const asked = [...topics.map(names.topic), stateTopic]
  const { facts } = await lookAt(link, asked, settings.deliveryTimeoutMs)
  const idOf = (name: string): string => shortId(facts.get(name)?.id ?? '')
  return {
    ids: new Map(topics.map((topic) => [topic, idOf(names.topic(topic))])),
    stateId: idOf(stateTopic),
  }
}

interface Found extends FoundPositions, Pick<Restored, 'ids' | 'stateId' | 'epoch'> {
  /** Its epoch is not the offset of its row, because offsets of the state topic have restarted or gone back. */
  readonly hasOwnEpoch: boolean
}

/**
 * Commits positions again that do not belong to the current topics, or to the current state, or that were set by hand:
 * as rows and in the group at once. What else the group does not show is reported to it.
 */
async function inStep(
  context: Context,
  options: LaneOptions,
  link: Link,
  producer: LaneProducer,
  found: Found,
): Promise<readonly LanePosition[]> {
  const { positions, byHand, ids, stateId, epoch, hasOwnEpoch } = found
  const gone = options.gone.map(({ loss, topicId }): InputLoss => {
    return isAnother(topicId, ids.get(loss.topic) ?? '') ? { ...loss, cause: 'recreated' } : loss
  })
  const resets = await resetsOf(context, link, options.lane, { positions, ids, gone })
  // Topics without a position: read from the earliest record anyway.
  const unread = gone.filter(({ topic }) => !positions.some((each) => each.topic === topic))
  for (const loss of unread) options.onLoss(loss)
  const isStateLost = positions.some((position) => isAnother(position.stateId, stateId))
  const back = resets.map(({ position }) => position)
  const others = positions.filter(({ topic }) => !back.some((each) => each.topic === topic))
  const isAll = isStateLost || hasOwnEpoch
  const changed = [...others.filter((each) => isAll || byHand.includes(each.topic)), ...back]
  const opening: Opening = { stateId, laneEpoch: epoch }
  const marked = changed.map((each) => markedPosition(each, { ...each, ...opening }))
  if (marked.length > 0) await commitPositions(context, options, producer, marked)
  const unshown = found.unshown.filter(({ topic }) => !changed.some((each) => each.topic === topic))
  options.onMoved([...unshown, ...marked.filter(({ text }) => text !== withoutFinished(text))])
  for (const { loss } of resets) options.onLoss(loss)
  if (isStateLost) options.onStateLost('recreated')
  return [...others, ...back]
}

/**
 * In one transaction: a position that was set by hand is taken once, whatever fails next. The group gets the marks alone,
 * which no broker refuses.
 */
async function commitPositions(
  { names }: Context,
  { stage, lane }: LaneOptions,
  producer: LaneProducer,
  positions: readonly MarkedPosition[],
): Promise<void> {
  const messages = positions.map((each) => rowMessage(positionRow(each)))
  const shown = positions.map(({ topic, offset, text }) => {
    return { topic: names.topic(topic), partition: lane, offset, metadata: withoutFinished(text) }
  })
  await producer.commit([{ topic: names.stateTopic(stage), partition: lane, messages }], {
    groupId: names.group('stage', stage),
    topics: byTopic(shown),
  })
}

interface Rows {
  readonly rows: StateRow[]
  readonly positions: MarkedPosition[]
  /** Where the log began at the former opening. */
  readonly formerStart: number
  /** Offset of its row; -1: there is none. */
  readonly formerOpened: number
}

/** A value that no version writes. */
const UNREADABLE = Buffer.alloc(0)

async function readRows(
  context: Context,
  link: Link,
  topic: string,
  lane: number,
  epoch: number,
): Promise<Rows> {
  const rows = new Map<string, StateRow>()
  const positions = new Map<string, MarkedPosition>()
  let [formerStart, formerOpened] = [0, -1]
  const range = { topic, partition: lane, from: 0, until: epoch, withinMs: context.settings.startTimeoutMs }
  await readRange(link, range, ({ key, value, offset }) => {
    const name = key?.toString('utf8') ?? OPENED_KEY
    if (name === OPENED_KEY) {
      formerStart = startIn(value)
      formerOpened = Number(offset)
      return true
    }
    const position = value && positionIn(name, value)
    if (position === 'unreadable') rows.set(name, { key: name, value: UNREADABLE })
    else if (position) {
      rows.delete(name)
      positions.set(name, position)
    } else if (value === null) rows.delete(name)
    else rows.set(name, { key: name, value })
    return true
  })
  return { rows: [...rows.values()], positions: [...positions.values()], formerStart, formerOpened }
}

/** Rows of earlier releases do not have it. */
function startIn(opened: Buffer | null): number {
  const start = opened && rowObject(opened)?.['start']
  return typeof start === 'number' ? start : 0
}
