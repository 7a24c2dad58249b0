import { z } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { Tool } from '../../../runtime/config/fleet.ts'
import { findDataFile, type DataOptions } from './data/files.ts'
import { queryFile } from './parsing.ts'
import { operators } from './data/table-conditions.ts'

const DEFAULT_ROWS = 100
const MAX_ROWS = 10_000

const condition = z.object({
  field: z.string(),
  op: z.enum(operators).default('='),
  value: z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.union([z.string(), z.number()]))]),
})

/** `query_table(file, where, columns, limit)`: rows of a CSV or JSON file under the data directory. */
export function queryTable(options: DataOptions = {}): Tool {
  return defineTool({
    name: 'query_table',
    description:
      'Returns rows of a CSV, TSV or JSON file that meet all conditions, how many did, and what the columns are.',
    input: z.object({
      file: z.string().describe('path within the data directory, e.g. orders.csv'),
      where: z.array(condition).default([]).describe('conditions that all must hold'),
      columns: z.array(z.string()).default([]).describe('columns to return; default: all'),
      delimiter: z.string().length(1).nullable().default(null).describe('default: found out'),
      encoding: z.string().nullable().default(null).describe('e.g. windows-1251; default: found out'),
      limit: z.int().min(1).max(MAX_ROWS).default(DEFAULT_ROWS).describe('most rows to return'),
    }),
    output: z.object({
      rows: z.array(z.record(z.string(), z.unknown())),
      matched: z.int(),
      total: z.int(),
      columns: z.array(
        z.object({ name: z.string(), type: z.string(), empty: z.int(), note: z.string().optional() }),
      ),
      notes: z.array(z.string()),
    }),
    idempotent: true,
    cacheScope: 'shared',
    timeoutMs: 60_000,
    reads: 'private',
    run: async ({ file, ...query }, context) => queryFile(await findDataFile(file, options), query, context),
  })
}
