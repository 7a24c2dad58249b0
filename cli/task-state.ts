// The state of a task in words.
import type { TaskView } from '../operator/direct/tasks.ts'
import type { paint } from './output.ts'

type Colour = Parameters<typeof paint>[0]

export const statusColours: Readonly<Record<TaskView['status'], Colour | null>> = {
  queued: 'dim',
  running: null,
  waiting: 'yellow',
  succeeded: 'green',
  failed: 'red',
  rejected: 'red',
  cancelled: 'dim',
  timed_out: 'red',
}

const phases: Readonly<Record<NonNullable<TaskView['phase']>, string>> = {
  submitted: 'not read yet',
  queued: 'waits for a slot',
  model: 'thinks',
  work: 'runs tools or code',
  retry: 'retries',
  approval: 'waits for approval',
  limit: 'waits for a rate limit',
  breaker: 'waits for a provider',
  unknown: 'runs',
}

/** What it does now; how it ended, if it did not succeed. */
export function doing({
  phase,
  detail,
  errorCode,
}: Pick<TaskView, 'phase' | 'detail' | 'errorCode'>): string {
  if (phase === null) return errorCode ?? detail ?? ''
  return detail === null ? phases[phase] : `${phases[phase]} (${detail})`
}
