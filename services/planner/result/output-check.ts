// Answers whether a result fits the output schema of its task.
import type { SchemaChecks } from '../../../runtime/foreign-schema/checks.ts'
import { inexactNumbersHint } from '../../../runtime/json/exact.ts'
import { repeatedNames } from '../../../runtime/json/names.ts'
import type { CallContext } from '../../../runtime/stage.ts'
import { jsonTextOf, readings, type Fit, type OutputCheck } from './output-schema.ts'

export interface OutputCallerParts {
  readonly schemas: Pick<SchemaChecks, 'check'>
}

export function createOutputCaller({ schemas }: OutputCallerParts) {
  return async (request: OutputCheck, { key, signal }: Pick<CallContext, 'key' | 'signal'>): Promise<Fit> => {
    const { schema, isOwn, value, userId } = request
    const candidates = readings(value)
    const fit = await schemas.check({ schema, isOwn, key: userId ?? key, signal }, candidates)
    if ('fits' in fit) {
      const output = candidates[fit.fits] ?? null
      const isRead = fit.fits === 0 && typeof value === 'string' && output !== value
      const twice = isRead ? repeatedNames(jsonTextOf(value)) : []
      if (twice.length === 0) return { output }
      return { problem: `more than one value for ${twice.map((name) => JSON.stringify(name)).join(', ')}` }
    }
    const hint =
      typeof candidates[0] === 'string' ? ' (it is not JSON)' : inexactNumbersHint(jsonTextOf(value))
    return { problem: `${fit.problems.join('; ')}${hint}` }
  }
}
