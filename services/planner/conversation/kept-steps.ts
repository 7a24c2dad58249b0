// What a task keeps of its steps until its result: all of the newest ones, and of older ones the beginning and end of
// each text, so that the state of a task and its result are bounded however many steps it takes.
import { shortStep } from '../../../runtime/task/short-steps.ts'
import { MAX_KEPT_CHARS } from '../constants.ts'
import { put, type RowChanges, type Run, type Situation, type Step } from '../rows.ts'

/** Steps shortened in one transition; usually one. */
const MAX_AT_ONCE = 50

/** Rows and progress with this step kept, and as many older ones shortened as that takes. */
export function keepStep(from: Situation, step: Step): { rows: RowChanges; run: Run } {
  let { chars, whole } = from.run.kept ?? { chars: 0, whole: 1 }
  const rows: RowChanges = put(`step:${step.step}`, step)
  chars += charsOf(step)
  for (let done = 0; chars > MAX_KEPT_CHARS && whole < step.step && done < MAX_AT_ONCE; done++, whole++) {
    const older = from.rows[`step:${whole}`]
    if (!older) continue
    const short = shortStep(older)
    chars -= charsOf(older) - charsOf(short)
    Object.assign(rows, put(`step:${whole}`, short))
  }
  return { rows, run: { ...from.run, kept: { chars, whole } } }
}

const charsOf = (step: Step): number => JSON.stringify(step).length
