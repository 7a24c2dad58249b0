import type { Codec } from '../../runtime/codec/port.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { ledgerReader } from '../../runtime/ledger/reader.ts'
import { limitsReader } from '../../runtime/limits/budget-report.ts'
import type { Limits } from '../../runtime/limits/port.ts'
import type { Log } from '../../runtime/log/port.ts'
import type { BlobStore } from '../../runtime/store/port.ts'
import type { Sql } from '../../runtime/store/sql.ts'
import type { Operator } from '../index.ts'
import { DirectAlerts } from './alerts.ts'
import { directBreakers } from './breakers.ts'
import { DirectDeadLetters } from './dead-letters.ts'
import { directTopics } from './topics.ts'

export interface FleetParts {
  readonly log: Log
  readonly codec: Codec
  readonly blobs: BlobStore
  readonly sql: Sql
  readonly limits: Pick<Limits, 'budgets' | 'correct'>
  readonly fleet: Pick<Fleet, 'alerts' | 'limits'>
}

/** The operator on the parts that a process of the fleet has open. */
export function directOperator({ log, codec, blobs, sql, limits, fleet }: FleetParts): Operator {
  return {
    topics: directTopics(log),
    deadLetters: new DirectDeadLetters(log, codec, blobs),
    breakers: directBreakers(log, codec),
    alerts: new DirectAlerts(log, codec, fleet.alerts),
    usage: ledgerReader(sql),
    limits: limitsReader({ fleet, limits, sql }),
  }
}
