import type { Clock } from '../clock.ts'
import type { Codec } from '../codec/port.ts'
import type { Log } from '../log/port.ts'
import type { Stage } from '../stage.ts'
import type { BlobStore, KeyValue } from '../store/port.ts'
import type { Instruments } from '../telemetry/instruments.ts'
import type { CallMaker } from './calls/calls.ts'
import type { CallJournal } from './calls/journal.ts'
import type { TrialGate } from './lane/trial-gate.ts'
import type { PauseState } from './pauses.ts'
import type { StoreIdentity } from './store-identity.ts'
import { METADATA_BYTES } from './lane/offsets.ts'
import { loadBytes } from './load.ts'

export interface HostOptions {
  /** Handlings of one lane that run at once; beyond it only tasks.control is taken. */
  readonly maxPendingPerLane: number
  /** Handlings of one lane running, or waiting for an earlier one of their key; no more are taken. */
  readonly maxTakenPerLane: number
  /** Records of tasks.control that may wait for one key; others go to dead-letters, unless they interrupt. */
  readonly maxWaitingPerKey: number
  /** Records of one topic of a lane that may be fetched and not taken; fetching pauses beyond it. */
  readonly maxBufferedPerTopic: number
  /** The same in bytes. */
  readonly maxBufferedBytesPerTopic: number
  /** Bytes of events and state of the handlings of one stage that run at once (load.ts). */
  readonly maxRunningBytes: number
  /** Times a stage may throw on one event before it goes to dead-letters. */
  readonly maxThrows: number
  /** How long a drain waits for calls under way. */
  readonly drainMs: number
  /** State rows larger than this go to the blob store. */
  readonly maxRowBytes: number
  /** Metadata of a position, until the log has refused one. */
  readonly maxMetadataBytes: number
}

export const defaultHostOptions: HostOptions = {
  maxPendingPerLane: 300,
  maxTakenPerLane: 1_000,
  maxWaitingPerKey: 100,
  maxBufferedPerTopic: 1_000,
  maxBufferedBytesPerTopic: 1_000_000,
  maxRunningBytes: 64_000_000,
  maxThrows: 3,
  drainMs: 25_000,
  maxRowBytes: 400_000,
  maxMetadataBytes: METADATA_BYTES,
}

/** Those of a process that serves, on its machine. */
export const ownHostOptions = (drainMs: number): HostOptions => ({
  ...defaultHostOptions,
  drainMs,
  maxRunningBytes: loadBytes(),
})

/** Everything that the lanes of one stage in one process share. */
export interface HostParts {
  readonly stage: Stage
  readonly log: Log
  readonly codec: Codec
  readonly blobs: BlobStore
  readonly journal: CallJournal
  readonly calls: CallMaker
  readonly clock: Clock
  readonly instruments: Instruments
  readonly options: HostOptions
  /** Unique per process. */
  readonly instance: string
  /** Shared by the stages of a process; without it a stage has its own. */
  readonly trials?: TrialGate
  /** Store in which a live owner notes that its lane moved; without it every move counts as a death. */
  readonly keyValue?: KeyValue
  /** Names what that store holds; without it a loss is not noticed. */
  readonly storeIdentity?: StoreIdentity | null
  /** Pauses that operators have set; without it none holds. */
  readonly pauses?: PauseState
}
