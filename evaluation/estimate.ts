// What a run may cost, before it starts: what the same data set cost before, else a guess from its length.
import type { EvaluationRun } from '../api/schemas/evaluations.ts'
import type { ModelView } from '../operator/index.ts'
import { fullName, parseModel } from '../runtime/models/names.ts'
import type { Case } from './cases.ts'
import { OWN_MODEL } from './rows.ts'
import type { Summary } from './summary.ts'

export interface Estimate {
  /** US dollars for one answer of every model; null: nothing is known of its price. */
  readonly dollars: number | null
  readonly basis: string
}

/** Two steps, each with the instructions and tools of an agent and an answer of some sentences. */
const STEPS = 2
const OPENING_TOKENS = 1_000
const ANSWER_TOKENS = 250
const CHARS_PER_TOKEN = 4
const MILLION = 1_000_000

export function estimateFor(
  model: string,
  cases: readonly Case[],
  earlier: readonly EvaluationRun[],
  models: readonly ModelView[],
): Estimate {
  for (const run of earlier) {
    const column = ((run.summary ?? []) as unknown as Summary).find((each) => each.model === model)
    if (column === undefined || column.scored === 0) continue
    const mean = (column.cost + column.judgeCost) / column.scored
    return { dollars: mean * cases.length, basis: `what ${run.id} cost` }
  }
  if (parseModel(fullName(model)).provider === 'scripted')
    return { dollars: 0, basis: `${model} costs nothing` }
  const view = models.find(
    (each) => each.model === model || (model === OWN_MODEL && each.usedBy.includes('default')),
  )
  if (!view) return { dollars: null, basis: 'the price of its model is not known here' }
  if (view.price === null) return { dollars: 0, basis: `${view.model} costs nothing` }
  const chars = cases.reduce((sum, { input }) => sum + input.length, 0)
  const input = STEPS * (OPENING_TOKENS * cases.length + chars / CHARS_PER_TOKEN)
  const output = STEPS * ANSWER_TOKENS * cases.length
  const dollars = (input * view.price.input + output * view.price.output) / MILLION
  return { dollars, basis: `a rough guess: two steps a case, ${view.model}` }
}
