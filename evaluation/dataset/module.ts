// Cases of a module: its default export is a list, { cases, scorers }, or a function that returns one.
//
// Cases are JSON, as if they came from a file; what is no JSON is a mistake, and not left out in silence.
import { messageOf } from '../../runtime/errors.ts'
import { UserFunction } from '../user-code/user-function.ts'
import type { GivenScorer } from '../user-code/messages.ts'
import type { UserCode } from '../user-code/user-code.ts'
import type { Entry } from './entries.ts'
import { refusal, type Mistakes } from './mistakes.ts'

export interface ModuleEntries {
  readonly entries: readonly Entry[]
  readonly scorers: readonly unknown[]
}

export async function entriesOfModule(
  path: string,
  mistakes: Mistakes,
  code: UserCode,
): Promise<ModuleEntries> {
  const given = await code.module(path).catch((error: unknown) => {
    throw refusal(path, [`it ${messageOf(error)}`])
  })
  const scorersOf = (scorers: readonly GivenScorer[]): unknown[] =>
    scorers.map((each) => ('spec' in each ? each.spec : new UserFunction(each.function, code)))
  for (const mistake of given.mistakes) mistakes.add('scorers', mistake)
  const entries = given.cases.map(({ fields, scorers, mistakes: wrong }, index): Entry => {
    const place = `case ${index + 1}`
    for (const mistake of wrong) mistakes.add(place, mistake)
    return { place, fields: scorers ? { ...fields, scorers: scorersOf(scorers) } : fields }
  })
  return { entries, scorers: scorersOf(given.scorers) }
}
