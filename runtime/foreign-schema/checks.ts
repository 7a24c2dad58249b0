// JSON Schemas from outside (a task's output schema), compiled and checked in threads with limits.
//
// 1. What is compiled was bounded before (bounds.ts), by whoever takes it in.
// 2. A schema or value that takes too much time or memory costs its own task an error, and nobody else anything.
// 3. A schema is compiled once in a thread, and found again by its text.
import type { JsonSchema } from '../config/fleet.ts'
import { FlotillaError } from '../errors.ts'
import { isDeeperThan, MAX_JSON_DEPTH } from '../json-depth.ts'
import type { Json } from '../../schemas/json.ts'
import { WorkerPool } from '../worker/pool.ts'

const THREADS = 2
const MEMORY_MB = 128
const TIME_MS = 1_000
const RESULT_CHARS = 100_000

export interface SchemaInput {
  readonly schemaText: string
  /** It is the configuration's: its patterns are JavaScript's. */
  readonly isOwn: boolean
}

export interface CheckInput extends SchemaInput {
  readonly candidates: readonly Json[]
}

/** The first candidate that fits, or what is wrong with the first one. */
export type Fit = { readonly fits: number } | { readonly problems: readonly string[] }

export interface SchemaQuestion {
  readonly schema: JsonSchema
  /** Default false. */
  readonly isOwn?: boolean
  /** Whose turn it takes: the user, or the task. */
  readonly key: string
  readonly signal?: AbortSignal
}

/** Rejects with WORKER_BUSY where too many checks wait: ask again. */
export interface SchemaChecks {
  /** Why the schema can't be used, in words; null where it can. */
  refusal(question: SchemaQuestion): Promise<string | null>
  /** Too much time or memory is a problem too. */
  check(question: SchemaQuestion, candidates: readonly Json[]): Promise<Fit>
  /** Ends its threads. */
  close(): Promise<void>
}

export function createSchemaChecks(): SchemaChecks {
  const script = new URL('./thread.ts', import.meta.url)
  const pool = new WorkerPool({ script, threads: THREADS, memoryMb: MEMORY_MB, resultChars: RESULT_CHARS })
  const ask = <T>(job: string, { schema, isOwn = false, key, signal }: SchemaQuestion, more: object = {}) => {
    const input = { schemaText: JSON.stringify(schema), isOwn, ...more }
    return pool.run<T>({ job, input, key, timeMs: TIME_MS, ...(signal ? { signal } : {}) })
  }
  return {
    refusal: (question) => ask('compile', question).then(() => null, inWords),
    async check(question, candidates) {
      if (candidates.some((candidate) => isDeeperThan(candidate, MAX_JSON_DEPTH)))
        return { problems: [`it is nested more than ${MAX_JSON_DEPTH} deep`] }
      try {
        return await ask<Fit>('check', question, { candidates })
      } catch (error) {
        return { problems: [`it could not be checked: ${inWords(error)}`] }
      }
    },
    close: () => pool.close(),
  }
}

/** What is wrong with the schema, or with its use; what may be asked again is thrown. */
function inWords(error: unknown): string {
  const isAnswer =
    error instanceof FlotillaError && (error.code === 'REQUEST_INVALID' || error.code === 'WORKER_LIMIT')
  if (!isAnswer) throw error
  return error.message
}
