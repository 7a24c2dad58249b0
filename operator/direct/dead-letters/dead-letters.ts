// Dead letters on the log itself: listed, shown, replayed.
import type { Codec, Decoded } from '../../../runtime/codec/port.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { RECORD_BYTES, recordBytes } from '../../../runtime/log/limits.ts'
import type { Log, LogRecord, OutgoingRecord } from '../../../runtime/log/port.ts'
import type { BlobStore } from '../../../runtime/store/port.ts'
import type { DeadLettered } from '../../../schemas/generated/events.ts'
import {
  isMarkOf,
  markOf,
  refuseRepeated,
  PURGED,
  REPLAYED,
  replayOf,
  type Letter,
  type ReplayOptions,
} from './replay.ts'
import { shown } from '../../../schemas/identity.ts'
import type { TopicName } from '../../../schemas/topics.ts'
import {
  bytesOf,
  positionIn,
  readableBytes,
  view,
  type DeadLetterContent,
  type DeadLetterView,
} from './letter-view.ts'
import { assertNarrowed, lettersOf, matches, type FoundLetter, type LetterFilter } from './letters.ts'
import { readable } from '../../../runtime/codec/skip.ts'

export type { DeadLetterContent, DeadLetterView } from './letter-view.ts'
export type { ReplayOptions } from './replay.ts'

export interface DeadLetterOperator {
  /** The newest first, without those that were purged; 100 unless `limit` says otherwise. */
  list(limit?: number, filter?: LetterFilter): Promise<DeadLetterView[]>
  /** `id`: `partition:offset`, as listed. Rejects with NOT_FOUND. */
  get(id: string): Promise<DeadLetterContent>
  /**
   * Publishes the original record again, once. Resolves with its new position. Rejects with REQUEST_INVALID
   * if that would break a promise or do nothing, with what to do instead (replay.ts).
   */
  replay(id: string, options?: ReplayOptions): Promise<Replayed>
  /** Replays those that match and were not replayed yet, the oldest first. */
  replayAll(options: BulkOptions): Promise<BulkAnswer>
  /** Marks those that match, so that they are no longer listed; retention deletes them. */
  purge(options: BulkOptions): Promise<BulkAnswer>
}

/** Rejects with REQUEST_INVALID unless it names ids or filters. */
export interface BulkOptions extends LetterFilter {
  readonly ids?: readonly string[]
  /** 100 unless given, 1,000 at most: repeat it while there are more. */
  readonly limit?: number
  /** True: nothing is done. */
  readonly dryRun?: boolean
  /** Replays also on topics that only stages write. */
  readonly force?: boolean
}

export interface BulkAnswer {
  /** Ids that matched; without a dry run all but the refused ones are done. */
  matched: string[]
  refused: { id: string; message: string }[]
  /** True: more match than the limit. */
  more: boolean
}

export interface Replayed {
  topic: string
  partition: number
  offset: number
}

const DEFAULT_LIMIT = 100
const MAX_BULK = 1_000
type Bulk = { [Name in 'ids' | 'limit']: BulkOptions[Name] | undefined } & { filter: LetterFilter }

/** Letters read at once. */
const MAX_LETTERS = 500

export class DirectDeadLetters implements DeadLetterOperator {
  readonly #log: Log
  readonly #codec: Codec
  readonly #blobs: BlobStore | null
  /** Replays run one after the other: of two of the same letter, the second finds the mark of the first. */
  #replaying: Promise<unknown> = Promise.resolve()

  /** Without `blobs`, a large record can't be replayed, and only the part in its letter can be read. */
  constructor(log: Log, codec: Codec, blobs: BlobStore | null = null) {
    this.#log = log
    this.#codec = codec
    this.#blobs = blobs
  }

  async list(limit: number = DEFAULT_LIMIT, filter: LetterFilter = {}): Promise<DeadLetterView[]> {
    const found = await this.#newest(limit, filter, (each) => !each.isPurged)
    return found.map(({ record, letter, replayedAtMs }) => ({ ...view(record, letter), replayedAtMs }))
  }

  replayAll({ ids, limit, dryRun, force = false, ...filter }: BulkOptions): Promise<BulkAnswer> {
    const isOpen = (each: FoundLetter) => !each.isPurged && each.replayedAtMs === null
    const act = (id: string) => (dryRun ? this.#prepared(id, { force }) : this.replay(id, { force }))
    return this.#each({ ids, limit, filter }, isOpen, act)
  }

  purge({ ids, limit, dryRun, force: _, ...filter }: BulkOptions): Promise<BulkAnswer> {
    return this.#each(
      { ids, limit, filter },
      ({ isPurged }) => !isPurged,
      async (id) => {
        const { record, letter } = await this.#find(id)
        if (!dryRun) await this.#publishMark({ id, data: letter }, record, PURGED)
      },
    )
  }

  /** One after the other, the oldest first; what is refused stops none of the others. */
  async #each(
    { ids, limit = DEFAULT_LIMIT, filter }: Bulk,
    isWanted: (letter: FoundLetter) => boolean,
    act: (id: string) => Promise<unknown>,
  ): Promise<BulkAnswer> {
    if (ids === undefined) assertNarrowed(filter)
    const most = Math.min(limit, MAX_BULK)
    const found = ids ?? (await this.#newest(most + 1, filter, isWanted)).map(({ id }) => id)
    const matched = ids === undefined ? found.slice(0, most).toReversed() : [...found]
    const refused: BulkAnswer['refused'] = []
    for (const id of matched)
      await act(id).catch((error: unknown) => {
        if (!(error instanceof FlotillaError) || error.retryable) throw error
        refused.push({ id, message: error.message })
      })
    return { matched, refused, more: ids === undefined && found.length > most }
  }

  async #newest(
    limit: number,
    filter: LetterFilter,
    isWanted: (letter: FoundLetter) => boolean,
  ): Promise<FoundLetter[]> {
    const parts = { log: this.#log, codec: this.#codec }
    const found: FoundLetter[] = []
    for (const range of await this.#log.ranges(['dead-letters'])) {
      let left = limit
      for await (const each of lettersOf(parts, range, filter.sinceMs)) {
        if (!isWanted(each) || !matches(each, filter)) continue
        found.push(each)
        if (--left === 0) break
      }
    }
    return found.toSorted((a, b) => b.letter.failedAtMs - a.letter.failedAtMs).slice(0, limit)
  }

  async get(id: string): Promise<DeadLetterContent> {
    const { record, letter } = await this.#find(id)
    const { headers } = await this.#originOf(letter).catch(() => letter)
    const replayedAtMs = (await this.#markOn(id, record))?.failedAtMs ?? null
    return {
      ...view(record, letter),
      replayedAtMs,
      headers,
      value: readableBytes(letter.value, bytesOf(letter)),
      event: await this.#eventOf(letter),
    }
  }

  /** Bytes that nobody can decode are what dead letters are for: their reason is in the letter. */
  async #eventOf(letter: DeadLettered): Promise<Decoded | null> {
    if (letter.value.length < bytesOf(letter)) return null
    try {
      return await this.#codec.decode(letter.value, letter.sourceTopic as TopicName)
    } catch {
      return null
    }
  }

  replay(id: string, options: ReplayOptions = {}): Promise<Replayed> {
    const replayed = this.#replaying.then(() => this.#replayNext(id, options))
    this.#replaying = replayed.catch(() => undefined)
    return replayed
  }

  async #replayNext(id: string, options: ReplayOptions): Promise<Replayed> {
    const { record, letter, whole, replayed } = await this.#prepared(id, options)
    const [position] = await this.#log.publish([replayed])
    if (!position)
      throw new FlotillaError('LOG_UNAVAILABLE', `replaying dead letter ${id}: the log gave no position`)
    await this.#mark({ ...whole, data: letter }, record)
    return position
  }

  /** The record that a replay publishes. Rejects if it is refused. */
  async #prepared(id: string, options: ReplayOptions) {
    const { record, letter } = await this.#find(id)
    refuseRepeated(id, await this.#markOn(id, record))
    const whole = await this.#wholeOf(id, letter)
    const replayed = await replayOf(whole, this.#codec, this.#log.partitions, options)
    assertFits(id, replayed)
    return { record, letter, whole, replayed }
  }

  /** The letter with the parts of its record that are in the blob store. */
  async #wholeOf(id: string, letter: DeadLettered): Promise<Letter> {
    const { key, headers } = await this.#originOf(letter)
    const value = letter.valueBlob === null ? letter.value : await this.#payload(letter.valueBlob)
    return { id, data: { ...letter, key, headers }, value }
  }

  async #originOf({ key, headers, originBlob }: DeadLettered): Promise<Origin> {
    if (originBlob === null) return { key, headers }
    return JSON.parse(Buffer.from(await this.#payload(originBlob)).toString()) as Origin
  }

  async #payload(hash: string): Promise<Uint8Array> {
    if (this.#blobs === null)
      throw new FlotillaError(
        'PAYLOAD_MISSING',
        'the record is in the blob store, which is not open here: ask a gateway (FLOTILLA_URL), or set DATABASE_URL',
      )
    const found = await this.#blobs.get(hash)
    if (found) return found
    throw new FlotillaError(
      'PAYLOAD_MISSING',
      `the record was in the blob store, which no longer has payload ${hash}`,
    )
  }

  async #publishMark(
    letter: Pick<Letter, 'id' | 'data'>,
    { partition, key }: LogRecord,
    code: typeof REPLAYED | typeof PURGED,
  ): Promise<void> {
    const value = this.#codec.encode('DeadLettered', markOf(letter, code), 'dead-letters')
    await this.#log.publish([{ topic: 'dead-letters', partition, key, value, headers: {} }])
  }

  async #mark(letter: Letter, record: LogRecord): Promise<void> {
    try {
      await this.#publishMark(letter, record, REPLAYED)
    } catch (cause) {
      const message = `dead letter ${letter.id} was replayed, but marking it failed: do not replay it again`
      throw new FlotillaError('LOG_UNAVAILABLE', message, { cause })
    }
  }

  /** The mark of an earlier replay, behind the letter on its partition. */
  async #markOn(id: string, { partition, offset }: LogRecord): Promise<DeadLettered | undefined> {
    for (let from = offset + 1; ;) {
      const records = await this.#log.read('dead-letters', partition, from, MAX_LETTERS)
      for (const record of records) {
        const decoded = await readable(this.#codec, record)
        if (decoded?.type === 'DeadLettered' && isMarkOf(id, decoded.data)) return decoded.data
        from = record.offset + 1
      }
      if (records.length < MAX_LETTERS) return undefined
    }
  }

  async #find(id: string): Promise<{ record: LogRecord; letter: DeadLettered }> {
    const at = positionIn(id)
    const isThere = at !== null && at.partition < this.#log.partitions
    const records = isThere ? await this.#log.read('dead-letters', at.partition, at.offset, 1) : []
    const record = records.find(({ offset }) => offset === at?.offset)
    if (!record)
      throw new FlotillaError(
        'NOT_FOUND',
        `no dead letter ${shown(id)}; list them with: flotilla dead-letters list`,
      )
    return { record, letter: await this.#decode(record) }
  }

  async #decode(record: LogRecord): Promise<DeadLettered> {
    const decoded = await this.#codec.decode(record.value ?? new Uint8Array(), 'dead-letters')
    if (decoded.type !== 'DeadLettered')
      throw new FlotillaError('UNDECODABLE_RECORD', `${decoded.type} on dead-letters`)
    return decoded.data
  }
}

type Origin = Pick<DeadLettered, 'key' | 'headers'>

/** Throws if the record is so large that it would come back as the same dead letter. */
function assertFits(id: string, record: OutgoingRecord): void {
  const bytes = recordBytes(record)
  if (bytes <= RECORD_BYTES) return
  const why = `its record has ${bytes} bytes with key and headers, and the fleet takes at most ${RECORD_BYTES}`
  throw new FlotillaError(
    'RECORD_TOO_LARGE',
    `replaying dead letter ${id}: ${why}; send it in a smaller form`,
  )
}
