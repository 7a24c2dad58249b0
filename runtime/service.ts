// How a service describes itself to the process that runs it (runtime/host/run.ts): a stage, and who makes its calls.
import type { Logger } from 'pino'
import type { Environment } from './config/environment.ts'
import type { Fleet } from './config/fleet.ts'
import type { Caller, Stage } from './stage.ts'
import type { BlobStore, KeyValue } from './store/port.ts'
import type { Sql } from './store/sql.ts'

/** What a service may use to build its callers. Shared by all services of a process. */
export interface ServiceContext {
  readonly fleet: Fleet
  readonly environment: Environment
  readonly keyValue: KeyValue
  readonly blobs: BlobStore
  readonly sql: Sql
  readonly logger: Logger
}

export interface Service {
  readonly name: string
  readonly stage: (fleet: Fleet) => Stage
  /** By `Call.kind`. Absent: the stage makes no calls. `close` releases pools and children. */
  readonly callers?: (context: ServiceContext) => {
    callers: Readonly<Record<string, Caller>>
    /** Rejects with the reason when this service can't work now (part of /ready and doctor). */
    check?: () => Promise<void>
    close?: () => Promise<void>
  }
}
