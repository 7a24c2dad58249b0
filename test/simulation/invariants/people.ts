// Calls that wait for people.
import type { CallHeld } from '../../../schemas/generated/events.ts'
import type { Evidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

/** Tools of the simulated fleet whose every call needs a person. */
const NEEDS_APPROVAL: ReadonlySet<string> = new Set(['approved', 'signed', 'judged'])

export function checkPeople({ world }: Simulation, evidence: Evidence): string[] {
  const violations: string[] = []
  const approved = new Set<string>()
  const ended = new Set(evidence.of('TaskClosed').map(({ data }) => data.taskId))
  const released = new Set<string>()
  const waitOf = ({ taskId, callId, heldAtMs }: Pick<CallHeld, 'taskId' | 'callId' | 'heldAtMs'>) =>
    `${taskId} ${callId} since ${heldAtMs}`
  const marks = new Map(
    evidence.of('CallHeld').map(({ data }) => [`${data.taskId} ${data.callId}`, effectOf(data)]),
  )
  for (const { data } of evidence.of('CallReleased')) {
    const key = `${data.taskId} ${data.callId}`
    released.add(waitOf(data))
    if (data.outcome === 'approved') approved.add(marks.get(key) ?? '')
  }
  // Each vote shows the wait once more.
  const waits = new Map(evidence.of('CallHeld').map(({ data }) => [waitOf(data), data.taskId]))
  for (const [wait, taskId] of waits)
    if (!released.has(wait))
      violations.push(
        ended.has(taskId)
          ? `call ${wait} was not released, though its task has ended`
          : `call ${wait} still waits for a person`,
      )
  for (const { effect } of world.book.calls)
    if (effect !== null && NEEDS_APPROVAL.has(effect.split(' ')[0] ?? '') && !approved.has(effect))
      violations.push(`${effect} was made, and nobody approved it`)
  return violations
}

/** As outside.ts names it. */
function effectOf({
  tool,
  taskId,
  arguments: given,
}: {
  tool: string
  taskId: string
  arguments: unknown
}): string {
  const { mark = '' } = (given ?? {}) as { mark?: string }
  return `${tool} ${mark} of ${taskId}`
}
