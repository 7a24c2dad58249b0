// Tasks that were forked from others.
import type { Evidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

/** A recording or a person answers for the tools of a fork: nothing outside is called without a decision. */
export function checkForks({ users, world }: Simulation, evidence: Evidence): string[] {
  const policies = new Map(users.forks.map(({ taskId, policy }) => [taskId, policy]))
  const approved = new Set(
    evidence
      .of('CallReleased')
      .filter(({ data }) => data.outcome === 'approved')
      .map(({ data }) => data.taskId),
  )
  const violations = world.book.calls.flatMap(({ kind, taskId, callId }) => {
    const policy = policies.get(taskId)
    if (kind !== 'tool' || policy === undefined || (policy === 'ask' && approved.has(taskId))) return []
    return [`tool call ${callId} of fork ${taskId}, whose tools are ${policy}, reached the outside`]
  })
  const ends = new Map(evidence.of('TaskCompleted').map(({ data }) => [data.taskId, data]))
  for (const { taskId, origin } of users.forks) {
    const end = ends.get(taskId)
    // Cancelled before it was admitted, it is known by its id alone.
    if (end && end.status !== 'cancelled' && end.forkedFrom !== origin)
      violations.push(`the result of ${taskId} names ${end.forkedFrom} as its origin, not ${origin}`)
  }
  return violations
}
