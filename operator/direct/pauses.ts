// Pauses stages and resumes them, by events that every process of the fleet follows.
import type { Codec } from '../../runtime/codec/port.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Log } from '../../runtime/log/port.ts'
import { PAUSES_KEY, PAUSES_TOPIC, readPauses, type Pause } from '../../runtime/pauses.ts'
import { identityMistakes, shown } from '../../schemas/identity.ts'
import { headers as names, stages } from '../../schemas/topics.ts'

export interface PauseChange {
  /** Absent: every stage. */
  readonly stage?: string
  readonly paused: boolean
  readonly reason?: string
  readonly by?: string
}

export interface PauseOperator {
  /** The pauses that hold now, the fleet's first. */
  list(): Promise<Pause[]>
  /**
   * Resolves with the pauses that hold then. A paused stage finishes what it has taken, and takes nothing new
   * but cancels and decisions. Rejects with REQUEST_INVALID if nothing would change.
   */
  set(change: PauseChange): Promise<Pause[]>
}

export class DirectPauses implements PauseOperator {
  readonly #log: Log
  readonly #codec: Codec

  constructor(log: Log, codec: Codec) {
    this.#log = log
    this.#codec = codec
  }

  list(): Promise<Pause[]> {
    return readPauses(this.#log, this.#codec)
  }

  async set({ stage, paused, reason, by }: PauseChange): Promise<Pause[]> {
    if (stage !== undefined && !stages.includes(stage))
      throw new FlotillaError('NOT_FOUND', `no stage ${shown(stage)}; there are: ${stages.join(', ')}`)
    const data = { stage: stage ?? null, paused, reason: reason ?? null, by: by ?? null, atMs: Date.now() }
    const mistakes = identityMistakes('StagePaused', data)
    if (mistakes.length > 0) throw new FlotillaError('REQUEST_INVALID', mistakes.join('; '))
    assertChanges(await this.list(), stage ?? null, paused)
    const value = this.#codec.encode('StagePaused', data, PAUSES_TOPIC)
    const partition = homeOf(PAUSES_KEY, this.#log.partitions)
    const headers = { [names.schema]: 'StagePaused' }
    await this.#log.publish([{ topic: PAUSES_TOPIC, partition, key: PAUSES_KEY, value, headers }])
    return this.list()
  }
}

function assertChanges(pauses: readonly Pause[], stage: string | null, paused: boolean): void {
  const own = pauses.find((pause) => pause.stage === stage)
  const who = stage ?? 'the fleet'
  if (paused && own) throw refusal(`${who} is paused since ${new Date(own.sinceMs).toISOString()}`)
  if (paused || own || (stage === null && pauses.length > 0)) return
  const isFleet = pauses.some((pause) => pause.stage === null)
  throw refusal(isFleet ? `${who} is paused with the whole fleet: resume the fleet` : `${who} is not paused`)
}

const refusal = (message: string): FlotillaError => new FlotillaError('REQUEST_INVALID', message)
