// Reads of the log that many readers share: a thousand streams that are opened at once, after a restart, read the
// same few pages.
//
// 1. A page is the records of PAGE offsets. One that will not change is kept; the last one of a partition is read
//    again, so that a reader sees everything that was written before it asked.
import type { Log, LogRecord, LogTopic } from '../../runtime/log/port.ts'
import { Coalesced } from './coalesced.ts'

export const PAGE = 500
const MAX_KEPT_BYTES = 32_000_000

interface Page {
  readonly records: readonly LogRecord[]
  /** Nothing will be added to it. */
  readonly isFull: boolean
  readonly bytes: number
}

export class Pages {
  readonly #log: Pick<Log, 'read'>
  readonly #maxBytes: number
  readonly #kept = new Map<string, Page>()
  readonly #reading = new Map<string, { readonly page: Coalesced<Page>; readers: number }>()
  #bytes = 0

  constructor(log: Pick<Log, 'read'>, maxBytes = MAX_KEPT_BYTES) {
    this.#log = log
    this.#maxBytes = maxBytes
  }

  /** Records from this offset to the end of the partition, in batches of at least one. */
  async *read(topic: LogTopic, partition: number, from: number): AsyncGenerator<readonly LogRecord[]> {
    for (let at = from; ;) {
      const start = at - (at % PAGE)
      const page = await this.#page(topic, partition, start)
      const records = page.records.filter(({ offset }) => offset >= at)
      if (records.length > 0) yield records
      if (!page.isFull) return
      at = start + PAGE
    }
  }

  async #page(topic: LogTopic, partition: number, start: number): Promise<Page> {
    const key = `${topic}/${partition}/${start}`
    const kept = this.#kept.get(key)
    if (kept) {
      this.#kept.delete(key)
      this.#kept.set(key, kept)
      return kept
    }
    const fetch = async () => this.#kept.get(key) ?? this.#fetch(topic, partition, start)
    const reading = this.#reading.get(key) ?? { page: new Coalesced(fetch), readers: 0 }
    this.#reading.set(key, reading)
    reading.readers++
    try {
      const page = await reading.page.run()
      if (page.isFull) this.#keep(key, page)
      return page
    } finally {
      reading.readers--
      if (reading.readers === 0) this.#reading.delete(key)
    }
  }

  async #fetch(topic: LogTopic, partition: number, start: number): Promise<Page> {
    const found = await this.#log.read(topic, partition, start, PAGE)
    const records = found.filter(({ offset }) => offset < start + PAGE)
    const isFull = (found.at(-1)?.offset ?? -1) >= start + PAGE - 1
    const bytes = records.reduce((sum, { value }) => sum + 200 + (value?.length ?? 0), 200)
    return { records, isFull, bytes }
  }

  #keep(key: string, page: Page): void {
    if (this.#kept.has(key)) return
    this.#kept.set(key, page)
    this.#bytes += page.bytes
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#bytes <= this.#maxBytes) break
      this.#kept.delete(oldest)
      this.#bytes -= bytes
    }
  }
}
