import type { EvaluationCase } from '../api/schemas/evaluations.ts'
import type { EvaluationOperator } from '../operator/index.ts'
import { FlotillaError } from '../runtime/errors.ts'

/** Bounds of what is read of one run. */
export interface MostCases {
  readonly cases: number
  /** Of their JSON. */
  readonly chars: number
}

/** The scored cases of a run. Rejects with REQUEST_INVALID if it has more than `most`, whatever it says of itself. */
export async function storedCases(
  id: string,
  evaluations: Pick<EvaluationOperator, 'export'>,
  most: MostCases = { cases: Number.POSITIVE_INFINITY, chars: Number.POSITIVE_INFINITY },
): Promise<EvaluationCase[]> {
  const cases: EvaluationCase[] = []
  const take = (line: string) => line !== '' && cases.push(JSON.parse(line) as EvaluationCase)
  let rest = ''
  let chars = 0
  // Line by line: all of a large run together is longer than a text can be.
  for await (const piece of evaluations.export(id, 'json')) {
    chars += piece.length
    if (chars > most.chars) throw tooMuch(id, `${most.chars.toLocaleString('en')} characters of scored cases`)
    const lines = (rest + piece).split('\n')
    rest = lines.pop() ?? ''
    lines.forEach(take)
    if (cases.length > most.cases) throw tooMany(id, most.cases)
  }
  take(rest)
  return cases
}

export const tooMany = (id: string, most: number): FlotillaError => tooMuch(id, `${most} scored cases`)

const tooMuch = (id: string, most: string): FlotillaError =>
  new FlotillaError(
    'REQUEST_INVALID',
    `the run ${id} has more than ${most}; compare by flotilla eval compare`,
  )
