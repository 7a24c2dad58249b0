// What simulated processes share: time, chance, the log and the stores that outlive them, and who watches.
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

/** What callers may use of the process that they live in. */
export interface Surroundings {
  readonly name: string
  readonly clock: ProcessClock
  /** With its faults. */
  readonly keyValue: KeyValue
  /** Epoch with which the process opened this lane last; 0: never. */
  readonly epochOf: (stage: string, lane: number) => number
}

/** Where a handling is when it kills its process. */
export type Phase = 'decide' | 'call' | 'conclude'

/** Events that end the process which handles them. */
export interface DeadlyEvents {
  /** `id`: of the event; of its call, where it is called. */
  kills(stage: string, phase: Phase, key: string, id: string): boolean
  died(key: string): void
}

export interface World {
  readonly clock: VirtualClock
  readonly fate: Fate
  /** Now; changes while the run goes on. */
  readonly rates: () => FaultRates
  readonly broker: MemoryBroker
  readonly keyValue: KeyValue
  readonly blobs: BlobStore
  readonly codec: Codec
  readonly stages: readonly Stage[]
  readonly journal: JournalOptions
  readonly slowestCommitMs: number
  /** One process at a time with a store of its own, as on one machine; else processes share everything. */
  readonly alone: boolean
  /** Of every host, besides the defaults. */
  readonly hostOptions: Partial<HostOptions>
  /** Most that the log takes with a position. */
  readonly metadataBytes: number
  /** The store as a host reaches it, outside of every fault. */
  readonly reached?: (store: KeyValue) => KeyValue
  /** Callers and guards of one process; what they keep in memory dies with it. */
  readonly callers: (process: Surroundings) => Callers
  readonly book: CallBook
  readonly witness: Witness
  readonly tally: Tally
  /** For the trace; nothing is done with it otherwise. */
  readonly note: (text: string) => void
  readonly deadly: DeadlyEvents
  /** Told of each crash. */
  readonly onCrash: (process: string) => void
}

/** Counters that say that the log has lost records, or given offsets twice. */
const alarmNames: ReadonlySet<string> = new Set(['records_lost', 'positions_reset'])

/** What the hosts told their instruments. */
export class Tally {
  readonly counts = new Map<string, number>()
  /** Event ids of timers that fired. */
  readonly timers = new Set<string>()
  /** What only a bug can cause. */
  readonly complaints: string[] = []
  /** Times that somebody was told of records which are gone. */
  alarms = 0

  count(name: string, n: number): void {
    if (alarmNames.has(name)) this.alarms++
    this.counts.set(name, (this.counts.get(name) ?? 0) + n)
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0
  }
}
