import type { EvaluationCase } from '../api/schemas/evaluations.ts'
import type { EvaluationOperator } from '../operator/index.ts'
import { FlotillaError } from '../runtime/errors.ts'

/** The scored cases of a run. Rejects with REQUEST_INVALID if it has more than `most`, whatever it says of itself. */
export async function storedCases(
  id: string,
  evaluations: Pick<EvaluationOperator, 'export'>,
  most = Number.POSITIVE_INFINITY,
): Promise<EvaluationCase[]> {
  const cases: EvaluationCase[] = []
  const take = (line: string) => line !== '' && cases.push(JSON.parse(line) as EvaluationCase)
  let rest = ''
  // Line by line: all of a large run together is longer than a text can be.
  for await (const piece of evaluations.export(id, 'json')) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop() ?? ''
    lines.forEach(take)
    if (cases.length > most) throw tooMany(id, most)
  }
  take(rest)
  return cases
}

export const tooMany = (id: string, most: number): FlotillaError =>
  new FlotillaError(
    'REQUEST_INVALID',
    `the run ${id} has more than ${most} scored cases; compare by flotilla eval compare`,
  )
