// How a service describes itself to the process that runs it (runtime/host/process.ts): a stage, and who makes its
// calls; or HTTP routes instead of consumed events.
import type { FastifyInstance } from 'fastify'
import type { Codec } from './codec/port.ts'
import type { Environment } from './config/environment.ts'
import type { Fleet } from './config/fleet.ts'
import type { SchemaChecks } from './foreign-schema/checks.ts'
import type { Guard } from './host/calls/guard.ts'
import type { SlotsOf } from './host/slots.ts'
import type { Limits } from './limits/port.ts'
import type { Log as EventLog } from './log/port.ts'
import type { Caller, Stage } from './stage.ts'
import type { BlobStore, KeyValue } from './store/port.ts'
import type { Sql } from './store/sql.ts'
import type { Instruments, Log } from './telemetry/instruments.ts'

/** What a service may use to build its callers. Shared by all services of a process. */
export interface ServiceContext {
  readonly fleet: Fleet
  readonly environment: Environment
  readonly keyValue: KeyValue
  readonly limits: Limits
  readonly blobs: BlobStore
  readonly sql: Sql
  readonly schemas: SchemaChecks
  readonly logger: Log
  readonly instruments: Instruments
}

/** What routes may use in addition. */
export interface RoutesContext extends ServiceContext {
  readonly log: EventLog
  readonly codec: Codec
  /** Names of the services of this process. */
  readonly services: readonly string[]
}

export interface Callers {
  /** By `Call.kind`. */
  readonly callers: Readonly<Record<string, Caller>>
  /** What the host takes around calls of a kind. */
  readonly guards?: Readonly<Record<string, Guard>>
  /** What a call needs a slot of. Absent: nothing. */
  readonly slots?: SlotsOf
  /** Rejects with the reason when this service can't work now (part of /ready and doctor). */
  readonly check?: () => Promise<void>
  /** Releases pools and children. */
  readonly close?: () => Promise<void>
}

export interface Service {
  readonly name: string
  readonly stage?: (fleet: Fleet) => Stage
  /** True: useless without a language model. Default false. */
  readonly needsModel?: boolean
  /** Absent: the stage makes no calls. */
  readonly callers?: (context: ServiceContext) => Callers
  /** Adds routes to the process's HTTP server, beside /health, /ready and /metrics. */
  readonly routes?: (app: FastifyInstance, context: RoutesContext) => Promise<void>
}
