import type { EvaluationCase } from '../api/schemas/evaluations.ts'
import type { EvaluationOperator } from '../operator/index.ts'

/** The scored cases of a run. */
export async function storedCases(id: string, evaluations: EvaluationOperator): Promise<EvaluationCase[]> {
  const cases: EvaluationCase[] = []
  const take = (line: string) => line !== '' && cases.push(JSON.parse(line) as EvaluationCase)
  let rest = ''
  // Line by line: all of a large run together is longer than a text can be.
  for await (const piece of evaluations.export(id, 'json')) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop() ?? ''
    lines.forEach(take)
  }
  take(rest)
  return cases
}
