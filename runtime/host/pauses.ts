// Follows the pauses of the fleet for the stages of this process.
//
// 1. They are known before a stage takes its first event, so a restart does not end a pause.
// 2. A change is followed at once; if the log can't be read then, again and again until it can.
import { sleep, type Clock } from '../clock.ts'
import type { Codec } from '../codec/port.ts'
import type { Log, Tail } from '../log/port.ts'
import { isPausedBy, PAUSES_TOPIC, readPauses, type Pause } from '../pauses.ts'
import type { Instruments } from '../telemetry/instruments.ts'

const RETRY_MS = 1_000

/** What a stage asks of them. */
export interface PauseState {
  isPaused(stage: string): boolean
  /** Calls `changed` after every change. */
  onChange(changed: () => void): void
}

export class Pauses implements PauseState {
  readonly #parts: { log: Log; codec: Codec; clock: Clock; instruments: Instruments }
  readonly #listeners: (() => void)[] = []
  #pauses: readonly Pause[] = []
  #tail: Tail | null = null
  #reading: Promise<void> = Promise.resolve()
  #closed = false

  constructor(parts: { log: Log; codec: Codec; clock: Clock; instruments: Instruments }) {
    this.#parts = parts
  }

  get all(): readonly Pause[] {
    return this.#pauses
  }

  isPaused(stage: string): boolean {
    return this.#pauses.length > 0 && isPausedBy(this.#pauses, stage)
  }

  onChange(changed: () => void): void {
    this.#listeners.push(changed)
  }

  /** Resolves when the pauses of now are known. */
  async start(): Promise<void> {
    this.#tail = this.#parts.log.tail({ topics: [PAUSES_TOPIC], from: 'latest' }, () => this.#refresh())
    await this.#tail.ready
    await this.#refresh()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#tail?.close()
  }

  /** One read after the other, so that the last one sees the last change. */
  #refresh(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#read())
    return this.#reading
  }

  async #read(): Promise<void> {
    const { log, codec, clock, instruments } = this.#parts
    while (!this.#closed) {
      try {
        this.#pauses = await readPauses(log, codec)
        for (const changed of this.#listeners) changed()
        return
      } catch (error) {
        instruments.log.warn({ err: error }, 'failed to read the pauses of the fleet; retrying')
        await sleep(clock, RETRY_MS)
      }
    }
  }
}
