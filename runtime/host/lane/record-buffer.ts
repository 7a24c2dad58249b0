import type { LogRecord, LogTopic } from '../../log/port.ts'

/** Records of one topic that were fetched and not taken, in their order. */
export class RecordBuffer {
  readonly topic: LogTopic
  /** Records are being taken from it. */
  isPumping = false
  /** Its records wait for others (`lingerMs`). */
  isLingering = false
  /** It is full: nothing is fetched. */
  isPaused = false
  readonly #records: LogRecord[] = []
  #bytes = 0
  #peeked = 0

  constructor(topic: LogTopic) {
    this.topic = topic
  }

  get length(): number {
    return this.#records.length
  }

  /** Size of their values. */
  get bytes(): number {
    return this.#bytes
  }

  push(record: LogRecord): void {
    this.#records.push(record)
    this.#bytes += record.value?.length ?? 0
  }

  at(index: number): LogRecord | undefined {
    return this.#records[index]
  }

  /** Drops the first `count`. */
  drop(count: number): void {
    if (count === 0) return
    for (const { value } of this.#records.splice(0, count)) this.#bytes -= value?.length ?? 0
    this.#peeked = Math.max(0, this.#peeked - count)
  }

  /** Returns each record once, whether it is taken or not. */
  peek(): readonly LogRecord[] {
    const from = this.#peeked
    this.#peeked = this.#records.length
    return this.#records.slice(from)
  }
}
