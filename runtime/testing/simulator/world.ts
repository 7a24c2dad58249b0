// The world that simulated processes share: time, chance, the log, the stores that outlive them, and the
// observers.
import type { Codec } from '../../codec/port.ts'
import type { HostOptions } from '../../host/context.ts'
import type { JournalOptions } from '../../host/calls/journal.ts'
import type { MemoryBroker } from '../memory/log/log.ts'
import type { Callers } from '../../service.ts'
import type { Stage } from '../../stage.ts'
import type { BlobStore, KeyValue } from '../../store/port.ts'
import type { CallBook } from './call-book.ts'
import type { Fate, FaultRates } from './fate.ts'
import type { ProcessClock } from './process-clock.ts'
import type { VirtualClock } from './virtual-clock.ts'
import type { Witness } from './witness.ts'

/** The parts of its process that a caller may use. */
export interface Surroundings {
  readonly name: string
  readonly clock: ProcessClock
  /** The store, with this process's faults. */
  readonly keyValue: KeyValue
  /** Epoch with which the process opened this lane last; 0: never. */
  readonly epochOf: (stage: string, lane: number) => number
}

/** Where a handling is when it kills its process. */
export type Phase = 'decide' | 'call' | 'conclude'

/** Events that end the process that handles them. */
export interface DeadlyEvents {
  /** `id`: of the event; of its call, where it is called. */
  kills(stage: string, phase: Phase, key: string, id: string): boolean
  died(key: string): void
}

export interface World {
  readonly clock: VirtualClock
  readonly fate: Fate
  /** Current rates; they change during the run. */
  readonly rates: () => FaultRates
  readonly broker: MemoryBroker
  readonly keyValue: KeyValue
  readonly blobs: BlobStore
  readonly codec: Codec
  readonly stages: readonly Stage[]
  readonly journal: JournalOptions
  readonly slowestCommitMs: number
  /** One process at a time with its own store, as on one machine; else processes share everything. */
  readonly alone: boolean
  /** Options of every host, besides the defaults. */
  readonly hostOptions: Partial<HostOptions>
  /** Most metadata that the log takes with a position. */
  readonly metadataBytes: number
  /** Wraps the store of each host, outside of every fault. */
  readonly reached?: (store: KeyValue) => KeyValue
  /** Callers and guards of one process; what they keep in memory dies with it. */
  readonly callers: (process: Surroundings) => Callers
  readonly book: CallBook
  readonly witness: Witness
  readonly tally: Tally
  /** Adds a line to the trace; it has no other effect. */
  readonly note: (text: string) => void
  readonly deadly: DeadlyEvents
  /** Called after each crash. */
  readonly onCrash: (process: string) => void
}

/** Counters of lost records and of offsets that went back. */
const alarmNames: ReadonlySet<string> = new Set(['records_lost', 'positions_reset'])

/** Reports of the hosts to their instruments. */
export class Tally {
  readonly counts = new Map<string, number>()
  /** Event ids of timers that fired. */
  readonly timers = new Set<string>()
  /** Reports that only a bug can cause. */
  readonly complaints: string[] = []
  /** Times that lost records were reported. */
  alarms = 0

  count(name: string, n: number): void {
    if (alarmNames.has(name)) this.alarms++
    this.counts.set(name, (this.counts.get(name) ?? 0) + n)
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0
  }
}
