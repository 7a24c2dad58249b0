/// <reference types="node" preserve="true" />
// The operator's interface: on the fleet's own log and stores (direct/), or through a gateway
// (http.ts). `usingOperator` connects to the fleet.
import type { LedgerReader } from '../runtime/ledger/reader.ts'
import type { LimitsReader } from '../runtime/limits/budget-report.ts'
import type { AlertOperator } from './direct/alerts.ts'
import type { BreakerOperator } from './direct/breakers.ts'
import type { DeadLetterOperator } from './direct/dead-letters.ts'
import type { TopicOperator } from './direct/topics.ts'

export interface Operator {
  /** The fleet's topics and what they hold. */
  readonly topics: TopicOperator
  /** Records that could not be handled: list, look at, replay. */
  readonly deadLetters: DeadLetterOperator
  /** Circuit breakers of providers and tools. */
  readonly breakers: BreakerOperator
  /** Alert rules: their state, silences, tests of their channels. */
  readonly alerts: AlertOperator
  /** The usage ledger: sums and exports. */
  readonly usage: LedgerReader
  /** The day's token budgets. */
  readonly limits: LimitsReader
}

export { usingOperator, type Reached } from './connect.ts'
export { httpOperator } from './http.ts'
export type { AlertOperator, AlertView, TestAnswer } from './direct/alerts.ts'
export type { BreakerOperator, BreakerView } from './direct/breakers.ts'
export type {
  DeadLetterContent,
  DeadLetterOperator,
  DeadLetterView,
  Replayed,
} from './direct/dead-letters.ts'
export type { ReplayOptions } from './direct/replay.ts'
export type { TopicOperator, TopicView } from './direct/topics.ts'
