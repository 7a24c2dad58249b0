// Results in the order of the log, page by page, for a reader that keeps its own position.
//
// 1. A page has results of every partition, so that none waits for another to be read to its end.
// 2. Behind the position of a page comes what the page does not have, as long as the log keeps it; what retention took
//    before is counted.
// 3. A position names its topic by the id that the log gave it. That of a topic which was made again since says nothing of
//    this one: it is read from `sinceMs`, as if there were no position.
import {
  resultFields,
  type EndedTask,
  type ResultPage,
  type ResultPageQuery,
} from '../../../api/schemas/results.ts'
import { formatPositions, parsePositions, type Positions } from '../../../client/positions.ts'
import type { Codec } from '../../../runtime/codec/port.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Log, LogRecord, PartitionRange } from '../../../runtime/log/port.ts'
import { readable } from '../../../runtime/codec/skip.ts'

export interface ResultOperator {
  /** Rejects with REQUEST_INVALID for a position that is none. */
  page(query?: ResultPageQuery): Promise<ResultPage>
}

const TOPIC = 'tasks.completed'
const PAGE = 100
/** Clocks of writers may differ; the log's own time decides where a page begins. */
const SLACK_MS = 60_000

export class DirectResults implements ResultOperator {
  readonly #log: Log
  readonly #codec: Codec

  constructor(log: Log, codec: Codec) {
    this.#log = log
    this.#codec = codec
  }

  async page({ after, sinceMs = 0, limit = PAGE }: ResultPageQuery = {}): Promise<ResultPage> {
    const [ranges, ids] = await Promise.all([this.#log.ranges([TOPIC]), this.#log.topicIds([TOPIC])])
    const topicId = ids.get(TOPIC) ?? ''
    const positions = positionsOf(after, topicId)
    const share = Math.max(1, Math.floor(limit / Math.max(1, ranges.length)))
    const read = await Promise.all(ranges.map((range) => this.#read(range, positions, sinceMs, share)))
    const results = await Promise.all(read.flatMap(({ records }) => records.map((each) => this.#ended(each))))
    return {
      results: results.flatMap((each) => each ?? []),
      after: positionOf(new Map(read.map(({ partition, last }) => [partition, last])), topicId),
      more: read.some(({ last, next }) => last < next - 1),
      lost: read.reduce((sum, { lost }) => sum + lost, 0),
    }
  }

  async #read(
    { partition, earliest, next }: PartitionRange,
    after: Positions,
    sinceMs: number,
    share: number,
  ) {
    const before = after.get(partition)
    const wanted = before === undefined ? await this.#firstAt(partition, earliest, next, sinceMs) : before + 1
    // A position beyond the end is one of another log: this one was made again.
    const from = Math.max(earliest, wanted > next ? earliest : wanted)
    const lost = before === undefined ? 0 : Math.max(0, earliest - wanted)
    const records = from >= next ? [] : await this.#log.read(TOPIC, partition, from, share)
    return { partition, records, last: records.at(-1)?.offset ?? next - 1, next, lost }
  }

  /** The first offset whose record is not older than that. */
  async #firstAt(partition: number, earliest: number, next: number, sinceMs: number): Promise<number> {
    let [low, high] = [earliest, next]
    while (sinceMs > 0 && low < high) {
      const middle = Math.floor((low + high) / 2)
      const [record] = await this.#log.read(TOPIC, partition, middle, 1)
      if (record === undefined || record.offset >= high || record.timestampMs >= sinceMs - SLACK_MS)
        high = middle
      else low = record.offset + 1
    }
    return low
  }

  /** Null for what others wrote to the topic by mistake: it went to dead-letters. */
  async #ended(record: LogRecord): Promise<EndedTask | null> {
    const decoded = await readable(this.#codec, record)
    if (decoded?.type !== 'TaskCompleted') return null
    const { data } = decoded
    return Object.fromEntries(resultFields.map((name) => [name, data[name]])) as unknown as EndedTask
  }
}

const MARK = '@'

/** `0:12,1:7@<id of the topic>`; without the id on a log that has none. */
const positionOf = (positions: Positions, topicId: string): string =>
  formatPositions(positions) + (topicId === '' ? '' : MARK + topicId)

/** Empty for a position of another topic. One that an earlier version gave names none. */
function positionsOf(after: string | undefined, topicId: string): Positions {
  const [written = '', ofTopic = topicId, more] = (after ?? '').split(MARK)
  const positions = more === undefined ? parsePositions(written) : null
  if (positions !== null) return ofTopic === topicId ? positions : new Map()
  throw new FlotillaError('REQUEST_INVALID', 'after must be the position that a page gave, such as 0:12,1:7')
}
