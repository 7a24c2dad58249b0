// Dead letters on the log itself: listed, shown, replayed.
import type { Codec } from '../../runtime/codec/port.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { RECORD_BYTES, recordBytes } from '../../runtime/log/limits.ts'
import type { Log, LogRecord, OutgoingRecord } from '../../runtime/log/port.ts'
import type { BlobStore } from '../../runtime/store/port.ts'
import type { DeadLettered } from '../../schemas/generated/events.ts'
import {
  isMarkOf,
  markOf,
  refuseRepeated,
  REPLAYED,
  replayOf,
  type Letter,
  type ReplayOptions,
} from './replay.ts'
import { shown } from '../../schemas/identity.ts'

export interface DeadLetterView {
  /** `partition:offset` on dead-letters. */
  id: string
  stage: string
  code: string
  message: string
  sourceTopic: string
  sourcePartition: number
  sourceOffset: number
  key: string | null
  bytes: number
  failedAtMs: number
}

export type { ReplayOptions } from './replay.ts'

export interface DeadLetterContent extends DeadLetterView {
  headers: Record<string, string>
  /** As text if it is text, else as hex. */
  value: string
}

export interface DeadLetterOperator {
  /** The newest first; 100 unless `limit` says otherwise. */
  list(limit?: number): Promise<DeadLetterView[]>
  /** `id`: `partition:offset`, as listed. Rejects with NOT_FOUND. */
  get(id: string): Promise<DeadLetterContent>
  /**
   * Publishes the original record again, once. Resolves with its new position. Rejects with REQUEST_INVALID
   * if that would break a promise or do nothing, with what to do instead (replay.ts).
   */
  replay(id: string, options?: ReplayOptions): Promise<Replayed>
}

export interface Replayed {
  topic: string
  partition: number
  offset: number
}

const DEFAULT_LIMIT = 100
/** Letters read at once. */
const MAX_LETTERS = 500
const SHOWN_BYTES = 4_096

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

  async list(limit: number = DEFAULT_LIMIT): Promise<DeadLetterView[]> {
    const found: DeadLetterView[] = []
    for (const { partition, earliest, next } of await this.#log.ranges(['dead-letters'])) {
      const from = Math.max(earliest, next - limit)
      for (const record of await this.#log.read('dead-letters', partition, from, limit)) {
        const letter = await this.#decode(record)
        if (letter.code !== REPLAYED) found.push(view(record, letter))
      }
    }
    return found.sort((a, b) => b.failedAtMs - a.failedAtMs).slice(0, limit)
  }

  async get(id: string): Promise<DeadLetterContent> {
    const { record, letter } = await this.#find(id)
    const { headers } = await this.#originOf(letter).catch(() => letter)
    return { ...view(record, letter), headers, value: readable(letter.value, bytesOf(letter)) }
  }

  replay(id: string, options: ReplayOptions = {}): Promise<Replayed> {
    const replayed = this.#replaying.then(() => this.#replayNext(id, options))
    this.#replaying = replayed.catch(() => undefined)
    return replayed
  }

  async #replayNext(id: string, options: ReplayOptions): Promise<Replayed> {
    const { record, letter } = await this.#find(id)
    refuseRepeated(id, await this.#markOn(id, record))
    const whole = await this.#wholeOf(id, letter)
    const replayed = await replayOf(whole, this.#codec, this.#log.partitions, options)
    assertFits(id, replayed)
    const [position] = await this.#log.publish([replayed])
    if (!position)
      throw new FlotillaError('LOG_UNAVAILABLE', `replaying dead letter ${id}: the log gave no position`)
    await this.#mark({ ...whole, data: letter }, record)
    return position
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

  async #mark(letter: Letter, { partition, key }: LogRecord): Promise<void> {
    const value = this.#codec.encode('DeadLettered', markOf(letter), 'dead-letters')
    try {
      await this.#log.publish([{ topic: 'dead-letters', partition, key, value, headers: {} }])
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
        const letter = await this.#decode(record)
        if (isMarkOf(id, letter)) return letter
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

/** Parses `partition:offset` exactly as listed: a letter has one id. Null for anything else. */
function positionIn(id: string): { partition: number; offset: number } | null {
  const [, partition, offset] = /^(0|[1-9]\d{0,8}):(0|[1-9]\d{0,14})$/.exec(id) ?? []
  return partition === undefined ? null : { partition: Number(partition), offset: Number(offset) }
}

type Origin = Pick<DeadLettered, 'key' | 'headers'>

const bytesOf = ({ value, valueBytes }: DeadLettered): number => valueBytes ?? value.length

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

function view(record: LogRecord, letter: DeadLettered): DeadLetterView {
  return {
    id: `${record.partition}:${record.offset}`,
    stage: letter.stage,
    code: letter.code,
    message: letter.message,
    sourceTopic: letter.sourceTopic,
    sourcePartition: letter.partition,
    sourceOffset: letter.offset,
    key: letter.key,
    bytes: bytesOf(letter),
    failedAtMs: letter.failedAtMs,
  }
}

function readable(value: Uint8Array, bytes: number): string {
  const shown = Buffer.from(value.subarray(0, SHOWN_BYTES))
  const text = shown.toString('utf8')
  const isText = !text.includes('\uFFFD') && !/[\u0000-\u0008]/.test(text)
  const rest = bytes > shown.length ? ` … ${bytes - shown.length} more bytes` : ''
  return (isText ? text : shown.toString('hex')) + rest
}
