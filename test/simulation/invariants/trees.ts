// Tasks that agents give to each other.
import type { TaskCompleted, TaskDelegated } from '../../../schemas/generated/events.ts'
import { grouped, type Evidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

/** Figures are sums of doubles. */
const SLACK = 1e-9
const MAX_DEPTH = 3

export function checkTrees(_run: Simulation, evidence: Evidence): string[] {
  const delegated = evidence.of('TaskDelegated').map(({ data }) => data)
  const results = new Map(evidence.of('TaskCompleted').map(({ data }) => [data.taskId, data]))
  const children = grouped(delegated, ({ askedBy }) => askedBy.taskId)
  return [
    ...oneForEachCall(evidence, delegated),
    ...withinShares(evidence, delegated, results, children),
    ...inResults(evidence, results),
    ...stoppedWithTheirs(evidence, delegated),
  ]
}

const callOf = ({ askedBy: { taskId, callId } }: TaskDelegated): string => `${taskId} ${callId}`

/** A call has one task, with one result and one answer; and nobody is above it twice, nor too deep. */
function oneForEachCall(evidence: Evidence, delegated: readonly TaskDelegated[]): string[] {
  const violations: string[] = []
  const more = (what: string, groups: ReadonlyMap<string, readonly unknown[]>) => {
    for (const [key, { length }] of groups) if (length > 1) violations.push(`${key} has ${length} ${what}`)
  }
  more('delegated tasks', grouped(delegated, callOf))
  more(
    'calls that asked for it',
    grouped(delegated, ({ taskId }) => taskId),
  )
  const ends = grouped(
    evidence.of('DelegationEnded').map(({ data }) => data),
    ({ child }) => child.taskId,
  )
  more('answers to its call', ends)
  for (const task of delegated) {
    const { agents } = task.askedBy
    if (ends.get(task.taskId)?.length !== 1)
      violations.push(`delegated task ${task.taskId} has answered nobody`)
    if (agents.length > MAX_DEPTH || agents.includes(task.agent))
      violations.push(`${[...agents, task.agent].join(' → ')} asked each other`)
  }
  const asked = new Set(delegated.map(({ taskId }) => taskId))
  for (const taskId of ends.keys())
    if (!asked.has(taskId)) violations.push(`${taskId} answered, and nobody asked`)
  return violations
}

/** A task and all below it never cost more than its maxCost, nor than its share. */
function withinShares(
  evidence: Evidence,
  delegated: readonly TaskDelegated[],
  results: ReadonlyMap<string, TaskCompleted>,
  children: ReadonlyMap<string, readonly TaskDelegated[]>,
): string[] {
  const costOf = (taskId: string): number =>
    (children.get(taskId) ?? []).reduce(
      (sum, child) => sum + costOf(child.taskId),
      results.get(taskId)?.usage.cost ?? 0,
    )
  const limits = new Map(delegated.map(({ taskId, maxCost }) => [taskId, maxCost]))
  for (const { data } of evidence.of('TaskAdmitted'))
    if (data.agent === 'root') limits.set(data.taskId, data.maxCost)
  return [...limits].flatMap(([taskId, maxCost]) => {
    const cost = costOf(taskId)
    return maxCost === null || cost <= maxCost + SLACK
      ? []
      : [`task ${taskId} cost ${cost} with all below it, of ${maxCost}`]
  })
}

/** What a result says of the tasks below it is what their answers said. */
function inResults(evidence: Evidence, results: ReadonlyMap<string, TaskCompleted>): string[] {
  const answered = grouped(
    evidence.of('ToolCompleted').flatMap(({ data }) => (data.child ? [data] : [])),
    ({ taskId }) => taskId,
  )
  const costs = new Map(
    evidence.of('DelegationEnded').map(({ data: { child } }) => [child.taskId, child.cost]),
  )
  return [...results.values()].flatMap(({ taskId, status, childrenCost }) => {
    // Answers that came behind the end are in no result.
    if (status === 'cancelled' || status === 'timed_out') return []
    const sum = (answered.get(taskId) ?? []).reduce(
      (total, { child }) => total + (costs.get(child?.taskId ?? '') ?? 0),
      0,
    )
    return Math.abs((childrenCost ?? 0) - sum) <= SLACK
      ? []
      : [`task ${taskId} says that what it delegated cost ${childrenCost}, and was answered ${sum}`]
  })
}

/** A task whose answer nobody waits for any more was told to stop. */
function stoppedWithTheirs(evidence: Evidence, delegated: readonly TaskDelegated[]): string[] {
  const taken = new Set(
    evidence.of('ToolCompleted').flatMap(({ data }) => (data.child ? [data.child.taskId] : [])),
  )
  const stopped = new Set(evidence.of('TaskCancelled').map(({ data }) => data.taskId))
  return delegated
    .filter(({ taskId }) => !taken.has(taskId) && !stopped.has(taskId))
    .map(({ taskId }) => `nobody waited for delegated task ${taskId}, and it was not cancelled`)
}
