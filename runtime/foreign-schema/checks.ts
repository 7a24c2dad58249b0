// JSON Schemas from outside (a task's output schema), compiled and checked in threads with limits.
//
// 1. A schema is bounded (bounds.ts) on intake, before it is compiled here.
// 2. A schema or value that takes too much time or memory costs its own task an error, and others nothing.
// 3. A schema is compiled once in a thread, and cached by its text. One that was found usable is not checked
//    again.
// 4. New schemas wait for their turn within bounds: a flood of them delays its own user, then new schemas,
//    and nothing else.
import { hash } from 'node:crypto'
import type { JsonSchema } from '../config/fleet.ts'
import { FlotillaError, hasCode } from '../errors.ts'
import { isDeeperThan, MAX_JSON_DEPTH } from '../json/depth.ts'
import type { Json } from '../../schemas/json.ts'
import { WorkerPool } from '../worker/pool.ts'

const THREADS = 2
const MEMORY_MB = 128
const TIME_MS = 1_000
const RESULT_CHARS = 100_000
/** New schemas that may wait, in all and for one user; a known schema never waits. */
const NEW_SCHEMAS = { entries: 64, entriesPerKey: 8 }
/** Usable schemas that are remembered, by hash. */
const KNOWN = 10_000

export interface SchemaInput {
  readonly schemaText: string
  /** It comes from the configuration: its patterns are JavaScript's. */
  readonly isOwn: boolean
}

export interface CheckInput extends SchemaInput {
  readonly candidates: readonly Json[]
}

/** The first candidate that fits, or the problems of the first one. */
export type Fit = { readonly fits: number } | { readonly problems: readonly string[] }

export interface SchemaQuestion {
  readonly schema: JsonSchema
  /** Default false. */
  readonly isOwn?: boolean
  /** Keys take turns: the user, or the task. */
  readonly key: string
  readonly signal?: AbortSignal
}

/** Rejects with WORKER_BUSY if too many wait: retry. */
export interface SchemaChecks {
  /** Why the schema can't be used; null if it can. Takes no signal: others may wait for the same answer. */
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
  const known = new NewSchemas()
  return {
    refusal: ({ schema, key }) =>
      known.once(hash('sha256', JSON.stringify(schema)), key, () =>
        ask('compile', { schema, key }).then(() => null, inWords),
      ),
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

/** Checks each new schema once. */
class NewSchemas {
  readonly #usable = new Set<string>()
  readonly #asked = new Map<string, { key: string; answer: Promise<string | null> }>()

  async once(id: string, key: string, ask: () => Promise<string | null>): Promise<string | null> {
    if (this.#usable.has(id)) return null
    const asked = this.#asked.get(id)
    if (asked) return asked.answer
    this.#assertRoom(key)
    const answer = ask()
    this.#asked.set(id, { key, answer })
    try {
      const why = await answer
      if (why === null) this.#remember(id)
      return why
    } finally {
      this.#asked.delete(id)
    }
  }

  #assertRoom(key: string): void {
    const own = [...this.#asked.values()].filter((asked) => asked.key === key).length
    const { entries, entriesPerKey } = NEW_SCHEMAS
    if (this.#asked.size < entries && own < entriesPerKey) return
    throw new FlotillaError(
      'WORKER_BUSY',
      `${this.#asked.size} new schemas wait to be compiled, ${own} of them of this user`,
    )
  }

  #remember(id: string): void {
    const [oldest] = this.#usable
    if (this.#usable.size >= KNOWN && oldest !== undefined) this.#usable.delete(oldest)
    this.#usable.add(id)
  }
}

/** Describes a permanent problem of the schema or its use; throws retryable errors. */
function inWords(error: unknown): string {
  const isAnswer = hasCode(error, 'REQUEST_INVALID', 'WORKER_LIMIT')
  if (!isAnswer) throw error
  return error.message
}
