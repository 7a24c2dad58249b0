// Queries of the ledgers: on the database itself (here), or through a gateway (operator/http.ts).
import { FlotillaError } from '../errors.ts'
import type { Sql } from '../store/sql.ts'
import { exportFormats, exportTables, summaryBy } from './choices.ts'
import type { ExportOptions } from './export.ts'
import { summarise, type SummaryLine, type SummaryOptions } from './summary.ts'
import { timeOf } from './times.ts'

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
      const { exportLedger } = await import('./export.ts')
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

function oneOf<T extends string>(name: string, value: string, known: readonly T[]): T {
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

const invalid = (message: string): FlotillaError => new FlotillaError('REQUEST_INVALID', message)
