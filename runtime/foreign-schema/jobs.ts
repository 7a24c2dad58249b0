// Jobs of the thread of checks.ts.
import { hash } from 'node:crypto'
import { createSchemaCompiler, type SchemaCheck } from '../config/json-schema/compile.ts'
import type { JsonSchema } from '../config/fleet.ts'
import { FlotillaError, messageOf } from '../errors.ts'
import type { CheckInput, Fit, SchemaInput } from './checks.ts'
import { linearPatterns } from './patterns.ts'

/** Compiled schemas that are kept. A compiler never frees any, so all are dropped at once. */
const KEPT = 100

const createCompiler = () => createSchemaCompiler({ patterns: linearPatterns, inlineRefs: false })

/** A schema that can't be used is REQUEST_INVALID, with the reason as its message. */
export function createSchemaJobs() {
  let compiler = createCompiler()
  const compiled = new Map<string, SchemaCheck>()

  function compile({ schemaText, isOwn }: SchemaInput): SchemaCheck {
    const key = `${isOwn} ${hash('sha256', schemaText)}`
    const known = compiled.get(key)
    if (known) return known
    if (compiled.size >= KEPT) {
      compiled.clear()
      compiler = createCompiler()
    }
    const schema = JSON.parse(schemaText) as JsonSchema
    const check = isOwn ? createSchemaCompiler({ inlineRefs: false })(schema) : compiler(unnamed(schema))
    compiled.set(key, check)
    return check
  }

  return {
    compile: (input: SchemaInput): null => {
      asRefusal(() => compile(input))
      return null
    },
    check: (input: CheckInput): Fit => {
      const check = asRefusal(() => compile(input))
      for (const [index, candidate] of input.candidates.entries()) {
        if (check(candidate).problems.length === 0) return { fits: index }
      }
      return { problems: check(input.candidates[0] ?? null).problems }
    },
  }
}

/** Drops `$id`: it would have to be unique, and nothing refers to it (bounds.ts). */
function unnamed({ $id: _, ...schema }: JsonSchema): JsonSchema {
  return schema
}

/** A stack that overflows is a limit, not the schema's mistake. */
function asRefusal<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof RangeError) throw error
    throw new FlotillaError('REQUEST_INVALID', messageOf(error))
  }
}
