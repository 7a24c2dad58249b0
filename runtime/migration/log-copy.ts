// Copies the records and the rows of the lanes from a data file to Kafka, compares them, and sets the positions.
//
// 1. A lane keeps its number: both logs have the same partitions, and a key's home is the same in both.
// 2. Records keep key, value, headers and time. Topics that anyone may write are stamped by the broker, and the ids of their
//    events, which derive from positions, are in a header that only operators' replays read.
// 3. A record that a stage has yet to finish gets a day of retention at least: the data file would have kept it. None is
//    from the future, as after a clock that was set back: brokers refuse those.
// 4. Positions come last: before they are set, nothing may read the topics (log/kafka/move-progress.ts).
import { createHash } from 'node:crypto'
import { headers, topics as contract, type TopicName, type TopicSpec } from '../../schemas/topics.ts'
import { bufferOf } from '../bytes.ts'
import type { Reframer } from '../codec/reframe.ts'
import { FlotillaError } from '../errors.ts'
import { eventIdOf } from '../host/lane/event-records.ts'
import type { StoppedGroup, StoppedLog, StoppedSlot } from '../log/embedded/stopped.ts'
import type { ProducedMessage } from '../log/kafka/connection/client.ts'
import type { Move } from '../log/kafka/admin/move-progress.ts'
import {
  targetKey,
  type GroupPositions,
  type MoveTarget,
  type Target,
} from '../log/kafka/admin/move-target.ts'
import type { LogRecord } from '../log/port.ts'
import { plural } from '../text/quantities.ts'
import { compareSlot, type OffsetMap, type Digested } from './copied-slot.ts'

const DAY_MS = 86_400_000
/** Brokers delete what has passed its retention within minutes. */
const SLACK_MS = 600_000
const BATCH_BYTES = 4 * 1_048_576

/** Signs of life, kept for an hour: nothing depends on them. */
const LEFT: readonly TopicName[] = ['tasks.streaming']
const LETTERS: TopicName = 'dead-letters'
const specs = new Map(contract.map((spec) => [spec.name, spec]))

export interface LogCopyParts {
  readonly source: StoppedLog
  readonly target: MoveTarget
  readonly reframer: Reframer
  readonly stages: readonly string[]
  readonly move: Move
  /** Records in one transaction. */
  readonly batchRecords: number
  readonly onCopied: (records: number) => void
}

interface Batch extends Target {
  readonly messages: ProducedMessage[]
  progress: number
}

export class LogCopy {
  readonly #parts: LogCopyParts
  readonly #batches = new Map<string, Batch>()
  readonly #replayed: ReadonlySet<string>
  #waiting = 0
  #bytes = 0

  constructor(parts: LogCopyParts) {
    this.#parts = parts
    this.#replayed = replayedLetters(parts.source)
  }

  get slots(): StoppedSlot[] {
    return this.#parts.source.slots.filter(({ topic }) => !LEFT.includes(topic))
  }

  /** Copies what is not there yet. */
  async copy(progress: ReadonlyMap<string, number>): Promise<void> {
    for (const slot of this.slots) await this.#copySlot(slot, progress)
    for (const lane of this.lanes()) await this.#copyRows(lane, progress)
    await this.#flush()
  }

  *lanes(): Iterable<{ stage: string; partition: number }> {
    const { stages, source } = this.#parts
    for (const stage of stages)
      for (let partition = 0; partition < source.partitions; partition++) yield { stage, partition }
  }

  async #copySlot(slot: StoppedSlot, progress: ReadonlyMap<string, number>): Promise<void> {
    const target = { topic: this.#parts.target.topic(slot.topic), partition: slot.partition }
    for (const record of this.#parts.source.records(slot, progress.get(targetKey(target)) ?? 0))
      if (!this.#isLeft(slot, record))
        await this.#add(target, await this.#messageOf(slot, record), record.offset + 1)
  }

  async #copyRows(
    { stage, partition }: { stage: string; partition: number },
    progress: ReadonlyMap<string, number>,
  ): Promise<void> {
    const target = { topic: this.#parts.target.stateTopic(stage), partition }
    const done = progress.get(targetKey(target)) ?? 0
    let number = 0
    for (const { key, value } of this.#parts.source.rows(stage, partition))
      if (++number > done)
        await this.#add(target, { key, value: value && bufferOf(value), headers: {} }, number)
  }

  async #add(target: Target, message: ProducedMessage, progress: number): Promise<void> {
    const key = targetKey(target)
    const batch = this.#batches.get(key) ?? { ...target, messages: [], progress }
    this.#batches.set(key, batch)
    batch.messages.push(message)
    batch.progress = progress
    this.#bytes += (message.value?.length ?? 0) + (message.key?.length ?? 0)
    if (++this.#waiting >= this.#parts.batchRecords || this.#bytes >= BATCH_BYTES) await this.#flush()
  }

  async #flush(): Promise<void> {
    const [batches, records] = [[...this.#batches.values()], this.#waiting]
    if (records === 0) return
    this.#batches.clear()
    this.#waiting = this.#bytes = 0
    await this.#parts.target.copy(this.#parts.move, batches)
    this.#parts.onCopied(records)
  }

  /** A letter that was replayed, and the note of it: notes name letters by offsets, which differ on Kafka. */
  #isLeft({ topic, partition }: StoppedSlot, { offset, headers: of }: LogRecord): boolean {
    return topic === LETTERS && (headers.replayOf in of || this.#replayed.has(`${partition}:${offset}`))
  }

  async #messageOf(slot: StoppedSlot, record: LogRecord): Promise<ProducedMessage> {
    const { key, headers: given } = record
    const value = await this.#parts.reframer.reframe(record.value, slot.topic)
    const moved = isStamped(specOf(slot.topic)) ? this.#movedFrom(record) : {}
    return { key, value, headers: { ...given, ...moved }, timestamp: String(this.#timeOf(slot, record)) }
  }

  #movedFrom(record: LogRecord): Record<string, string> {
    return {
      [headers.movedId]: this.#idOf(record),
      [headers.movedAtMs]: String(record.timestampMs),
    }
  }

  /** The id of its event in the data file, by which what it caused names it. */
  #idOf(record: LogRecord): string {
    const { id, partitions } = this.#parts.source
    return eventIdOf(record, { partitions, topicIds: new Map([[record.topic, id]]) })
  }

  #timeOf({ topic, unfinished }: StoppedSlot, { offset, timestampMs }: LogRecord): number {
    const { retentionMs } = specOf(topic)
    const { startedMs } = this.#parts.move
    const knownMs = Math.min(timestampMs, startedMs)
    return offset < unfinished ? knownMs : Math.max(knownMs, startedMs - retentionMs + DAY_MS)
  }

  /** Compares the slot on both sides. */
  async compare(slot: StoppedSlot): Promise<{ records: number; offsets: OffsetMap }> {
    const { source: log, target: kafka } = this.#parts
    const spec = specOf(slot.topic)
    const target = { topic: kafka.topic(slot.topic), partition: slot.partition }
    const source: Digested[] = []
    for (const record of log.records(slot)) {
      if (this.#isLeft(slot, record)) continue
      const { key, value, headers: given, timestamp } = await this.#messageOf(slot, record)
      const timestampMs = Number(timestamp)
      source.push({
        offset: record.offset,
        digest: digestOf(spec, { key, value, headers: given, timestampMs }),
        timestampMs,
      })
    }
    const found: Digested[] = []
    await kafka.read(target, ({ offset, timestamp, key, value, headers: given }) => {
      const [text, timestampMs] = [key?.toString() ?? null, Number(timestamp)]
      found.push({
        offset: Number(offset),
        digest: digestOf(spec, { key: text, value, headers: given, timestampMs }),
        timestampMs,
      })
    })
    const offsets = compareSlot({
      where: `${target.topic}[${target.partition}]`,
      source,
      target: found,
      targetEnd: await kafka.end(target),
      // What the broker has stamped is new there.
      keptSinceMs: isStamped(spec) ? -Infinity : Date.now() - spec.retentionMs + SLACK_MS,
    })
    return { records: source.length, offsets }
  }

  /** Compares the rows of a lane. Resolves with how many there are. */
  async compareRows({ stage, partition }: { stage: string; partition: number }): Promise<number> {
    const topic = this.#parts.target.stateTopic(stage)
    const found = new Map<string, string>()
    await this.#parts.target.read({ topic, partition }, ({ key, value }) => {
      found.set(key?.toString() ?? '', value?.toString('base64') ?? '')
    })
    let rows = 0
    for (const { key, value } of this.#parts.source.rows(stage, partition)) {
      rows++
      if (found.get(key) !== (value && bufferOf(value))?.toString('base64'))
        throw new FlotillaError(
          'INTERNAL',
          `checking ${topic}[${partition}]: a row of the data file is missing or differs`,
        )
    }
    if (rows === found.size) return rows
    throw new FlotillaError(
      'INTERNAL',
      `checking ${topic}[${partition}]: it has ${plural(found.size, 'row')}, ${rows} were copied`,
    )
  }

  /** Positions of a group on Kafka. `offsets` by `topic partition` of the contract. */
  positionsOf(group: StoppedGroup, offsets: ReadonlyMap<string, OffsetMap>): GroupPositions {
    const { isStage, name, topics } = group
    const positions = topics.flatMap((topic) =>
      Array.from({ length: this.#parts.source.partitions }, (_, partition) => {
        const map = offsets.get(targetKey({ topic, partition }))
        if (map === undefined) return []
        const found = group.positions.find((each) => each.topic === topic && each.partition === partition)
        const { offset, metadata } = found ?? { offset: 0, metadata: '' }
        const laneEpoch = isStage ? this.#parts.source.epoch(name, partition) : null
        const position = map.position({ topic, offset, metadata: isStage ? metadata : '' })
        return [{ partition, laneEpoch, ...position }]
      }).flat(),
    )
    if (isStage) return { kind: 'stage', name, positions }
    return { kind: 'readers', name: name.slice('readers.'.length), positions }
  }
}

function specOf(topic: TopicName): TopicSpec {
  const spec = specs.get(topic)
  if (spec === undefined) throw new FlotillaError('INTERNAL', `${topic} is no topic of the contract`)
  return spec
}

const isStamped = ({ writers }: TopicSpec): boolean => writers.includes('anyone')

interface Content {
  readonly key: string | null
  readonly value: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
  readonly timestampMs: number
}

function digestOf(spec: TopicSpec, { key, value, headers: given, timestampMs }: Content): string {
  const texts = Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1))
  const digest = createHash('sha256').update(
    JSON.stringify([key, texts, isStamped(spec) ? 0 : timestampMs, value === null]),
  )
  return digest.update(value ?? '').digest('base64')
}

/** As `partition:offset`. */
function replayedLetters(source: StoppedLog): Set<string> {
  const letters = source.slots.filter(({ topic }) => topic === LETTERS)
  const notes = letters.flatMap((slot) =>
    [...source.records(slot)].map(({ headers: of }) => of[headers.replayOf]),
  )
  return new Set(notes.filter((note) => note !== undefined))
}
