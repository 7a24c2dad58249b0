// Queries of the ledgers: on the database itself (here), or through a gateway (operator/http.ts).
import { shown } from '../../schemas/identity.ts'
import { FlotillaError } from '../errors.ts'
import type { Sql } from '../store/sql.ts'
import { exportFormats, exportLedger, exportTables, type ExportOptions } from './export.ts'
import { summarise, summaryBy, type SummaryLine, type SummaryOptions } from './summary.ts'

export interface LedgerReader {
  summary(options: SummaryOptions): Promise<SummaryLine[]>
  /** Pieces of text. */
  export(options: ExportOptions): AsyncIterable<string>
}

/** `sql` is called when there is something to read. */
export function ledgerReader(sql: () => Promise<Sql>): LedgerReader {
  return {
    summary: async (options) => summarise(await sql(), options),
    async *export(options) {
      yield* exportLedger(await sql(), options)
    },
  }
}

type Given = Readonly<Record<string, string | undefined>>

/** Parses options as people and URLs give them. Throws REQUEST_INVALID, naming the allowed values. */
export function summaryOptions({ by = 'total', ...given }: Given): SummaryOptions {
  return { by: oneOf('by', by, summaryBy), ...timesOf(given) }
}

export function exportOptions({ table = 'calls', format = 'csv', ...given }: Given): ExportOptions {
  return {
    table: oneOf('table', table, exportTables),
    format: oneOf('format', format, exportFormats),
    ...timesOf(given),
  }
}

export function oneOf<T extends string>(name: string, value: string, known: readonly T[]): T {
  const found = known.find((each) => each === value)
  if (found === undefined) throw invalid(`${name} must be one of ${known.join(', ')}, not "${value}"`)
  return found
}

function timesOf({ from, to }: Given): { fromMs?: number; toMs?: number } {
  return {
    ...(from === undefined ? {} : { fromMs: timeOf('from', from) }),
    ...(to === undefined ? {} : { toMs: timeOf('to', to) }),
  }
}

/** A day means its beginning in UTC. */
export function timeOf(name: string, value: string, more = ''): number {
  const atMs = /^\d{13}$/.test(value) ? Number(value) : withZone.test(value) ? Date.parse(value) : Number.NaN
  if (Number.isNaN(atMs))
    throw invalid(
      `${name} must be a day (2026-11-01) or a time with its zone (2026-11-01T08:00Z)${more}, not "${shown(value)}"`,
    )
  return atMs
}

/** A day is UTC's; a time without a zone would mean another instant on each machine. */
const withZone = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/

const invalid = (message: string): FlotillaError => new FlotillaError('REQUEST_INVALID', message)
