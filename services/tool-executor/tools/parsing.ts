// Parses pages and data files in threads with limits: their content is untrusted, and a small page can be
// written whose tree takes any amount of memory. The module has its own threads, because tools are made
// before any process runs.
import { FlotillaError } from '../../../runtime/errors.ts'
import type { ToolContext } from '../../../runtime/config/fleet.ts'
import { WorkerPool } from '../../../runtime/worker/pool.ts'
import type { TableQuery, ValueQuery } from './data/queries.ts'
import type { Found } from './data/table-query.ts'
import type { PageText } from './web/page-text.ts'
import type { Json } from '../../../schemas/json.ts'

const THREADS = 2
/** A JSON file of 10 MB with short values takes thirty times its size. */
const MEMORY_MB = 384
const RESULT_CHARS = 2_000_000
const PAGE_MS = 2_000
const VALUE_MS = 10_000
/** Enough for a CSV file of 50 MB, read twice. */
const TABLE_MS = 30_000

const pool = new WorkerPool({
  script: new URL('./parsing-thread.ts', import.meta.url),
  threads: THREADS,
  memoryMb: MEMORY_MB,
  resultChars: RESULT_CHARS,
})

type Asker = Pick<ToolContext, 'signal' | 'taskId'>

/** A file that was found: data-files.ts decides which may be read. */
export interface FileToParse {
  readonly path: string
  /** Its name in messages. */
  readonly file: string
  readonly maxBytes: number
}

export interface PageToParse {
  readonly html: string
  readonly maxChars: number
}

/** `what` begins the message if the page exceeds the limits. */
export const parsePage = (page: PageToParse, what: string, asker: Asker): Promise<PageText> =>
  parse('page', page, PAGE_MS, `${what} can't be read as a page`, asker)

export const queryFile = (file: FileToParse, query: TableQuery, asker: Asker): Promise<Found> =>
  parse('rows', { ...file, query }, TABLE_MS, `${file.file} can't be read as a table`, asker)

/** The value at these steps into a JSON file. */
export const valueInFile = (query: ValueQuery, asker: Asker): Promise<Json> =>
  parse('value', query, VALUE_MS, `${query.file} can't be read as JSON`, asker)

/** Ends the threads; a later tool call starts new ones. */
export const closeParsing = (): Promise<void> => pool.close()

async function parse<T>(
  job: string,
  input: object,
  timeMs: number,
  failed: string,
  asker: Asker,
): Promise<T> {
  try {
    return await pool.run<T>({ job, input, timeMs, key: asker.taskId, signal: asker.signal })
  } catch (error) {
    if (!(error instanceof FlotillaError) || error.code !== 'WORKER_LIMIT') throw error
    throw new FlotillaError('TOOL_FAILED', `${failed}: ${error.message}`, { cause: error })
  }
}
