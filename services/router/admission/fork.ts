// Checks of what a fork brings: recorded steps and outcomes, written by anyone, and how its tools answer.
import { failure } from '../../../runtime/errors.ts'
import { plural } from '../../../runtime/text/quantities.ts'
import { recordingMistakes, type Recording } from '../../../runtime/task/recording.ts'
import type { Failure } from '../../../runtime/stage.ts'
import type { TaskAdmitted, TaskSubmitted } from '../../../schemas/generated/events.ts'

type Brought = Pick<TaskSubmitted, 'forkedFrom' | 'forkedFromStep' | 'recording'>

/** Mistakes that need no configuration to be seen. */
export function forkMistakes({ forkedFrom, forkedFromStep, recording }: Brought, maxBytes: number): string[] {
  const mistakes = recordingMistakes(recording)
  if (mistakes.length > 0) return mistakes
  const bytes = recording === null ? 0 : Buffer.byteLength(JSON.stringify(recording))
  if (bytes > maxBytes)
    return [`recording has ${bytes} bytes, at most ${maxBytes} are allowed (limits.input.recordingBytes)`]
  const { steps = [] } = (recording ?? {}) as Recording
  if (forkedFrom === null)
    return forkedFromStep === null && steps.length === 0
      ? []
      : ['forkedFromStep and recorded steps need forkedFrom: the task that they are of']
  const first = forkedFromStep ?? 1
  if (first < 1) return [`forkedFromStep is ${first}, it must be a whole number from 1`]
  if (steps.length === first - 1) return []
  return [
    `forkedFromStep is ${first}: the recording must have ${plural(first - 1, 'step')}, those before it, and has ${steps.length}`,
  ]
}

/** Null, or why the task can't begin with these steps, or have its tools answered like this. */
export function checkFork({ mode, maxSteps, forkedFromStep, recording }: TaskAdmitted): Failure | null {
  const { steps = [] } = (recording ?? {}) as Recording
  const other = mode === 'code' ? 'tools' : 'code'
  const at = steps.findIndex(({ kind }) => kind === other)
  if (at >= 0)
    return invalid(
      `recorded step ${at + 1} is of mode ${other}, the task of mode ${mode}: fork from step 1, or with an agent of mode ${other}`,
    )
  if (steps.length < maxSteps) return null
  return invalid(
    `forkedFromStep is ${forkedFromStep}, maxSteps ${maxSteps}: no step is left to run; raise maxSteps, or fork from an earlier step`,
  )
}

const invalid = (why: string): Failure => failure('TASK_INVALID', `The task was not accepted: ${why}.`)
