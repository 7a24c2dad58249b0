// One row of the error table.
import type { Failure } from '../../schemas/generated/events.ts'

export type Severity = Failure['severity']

export interface ErrorRow {
  readonly severity: Severity
  /** Whether the same request may succeed later without a change. */
  readonly retryable: boolean
  readonly meaning: string
  readonly remedy: string
}

export const row = (severity: Severity, retryable: boolean, meaning: string, remedy: string): ErrorRow => ({
  severity,
  retryable,
  meaning,
  remedy,
})
