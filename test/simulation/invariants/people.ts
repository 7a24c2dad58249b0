// Calls that wait for people.
import type { Evidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

/** Tools of the simulated fleet whose every call needs a person. */
const NEEDS_APPROVAL: ReadonlySet<string> = new Set(['approved', 'signed', 'judged'])

export function checkPeople({ world }: Simulation, evidence: Evidence): string[] {
  const violations: string[] = []
  const approved = new Set<string>()
  const ended = new Set(evidence.of('TaskClosed').map(({ data }) => data.taskId))
  const released = new Set<string>()
  const marks = new Map(
    evidence.of('CallHeld').map(({ data }) => [`${data.taskId} ${data.callId}`, effectOf(data)]),
  )
  for (const { data } of evidence.of('CallReleased')) {
    const key = `${data.taskId} ${data.callId}`
    released.add(key)
    if (data.outcome === 'approved') approved.add(marks.get(key) ?? '')
  }
  for (const key of marks.keys())
    if (!released.has(key) && !ended.has(key.split(' ')[0] ?? ''))
      violations.push(`call ${key} still waits for a person`)
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
