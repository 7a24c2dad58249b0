// Compares a run with an earlier one, model by model.
import type { EvaluationCase, EvaluationRun } from '../api/schemas/evaluations.ts'
import type { EvaluationOperator } from '../operator/index.ts'
import { FlotillaError } from '../runtime/errors.ts'
import { compare, type Comparison } from './comparison.ts'
import { storedCases, type MostCases } from './stored-cases.ts'

/**
 * Each model of the later run against the same one of the earlier run, or against its only one. Rejects with
 * REQUEST_INVALID if there is none to compare with, or the earlier run has more than `most`.
 */
export async function compareRuns(
  evaluations: EvaluationOperator,
  before: EvaluationRun,
  after: EvaluationRun,
  afterCases: readonly EvaluationCase[],
  most?: MostCases,
): Promise<Comparison[]> {
  const beforeCases = await storedCases(before.id, evaluations, most)
  const [only] = before.models
  return after.models.map((model) => {
    const other = before.models.includes(model) ? model : before.models.length === 1 ? only : undefined
    if (other === undefined)
      throw new FlotillaError(
        'REQUEST_INVALID',
        `the run ${before.id} has no model ${model} to compare with; it has ${before.models.join(', ')}`,
      )
    return compare(
      { name: `${before.id} ${other}`, cases: beforeCases.filter((each) => each.model === other) },
      { name: `${after.id} ${model}`, cases: afterCases.filter((each) => each.model === model) },
    )
  })
}
