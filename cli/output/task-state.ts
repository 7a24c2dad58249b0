// The state of a task, and of a pause, in words.
import type { TaskView } from '../../operator/direct/tasks/tasks.ts'
import type { Pause } from '../../runtime/pauses.ts'
import { paint, say } from './output.ts'
import { moment } from './units.ts'

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
  paused: 'paused',
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

/** Open tasks of a data file that no process holds stand still, whatever they were doing. */
export function sayNotRunning(): void {
  say(paint('yellow', 'No fleet is running here: flotilla start carries open tasks on.'))
}

export function pauseLines(pauses: readonly Pause[]): string[] {
  return pauses.map(({ stage, reason, by, sinceMs }) => {
    const why = reason === null ? '' : `: ${reason}`
    return `${stage ?? 'The fleet'} is paused since ${moment(sinceMs)}${by === null ? '' : ` by ${by}`}${why}`
  })
}
