// The results and the histories of tasks.
import { grouped, isAtHome, type Evidence, type Written } from '../evidence.ts'
import { isOfNobody } from './letters.ts'
import type { Simulation } from '../simulate.ts'

export function checkResults({ users, hostile }: Simulation, evidence: Evidence): string[] {
  const results = grouped(evidence.of('TaskCompleted'), ({ data }) => data.taskId)
  const submitted = new Map(users.submissions.map((task) => [task.taskId, task]))
  const delegated = new Set(evidence.of('TaskDelegated').map(({ data }) => data.taskId))
  const violations: string[] = []
  for (const { taskId, isWrong } of submitted.values()) {
    const found = results.get(taskId) ?? []
    const statuses = found.map(({ data }) => data.status)
    if (found.length !== 1)
      violations.push(`task ${taskId} has ${found.length} results: ${statuses.join(', ')}`)
    // A cancel may come first; then the text is not checked.
    else if (isWrong && statuses[0] !== 'rejected' && statuses[0] !== 'cancelled')
      violations.push(`task ${taskId} should have been rejected and is ${statuses[0]}`)
  }
  for (const [taskId, found] of results) {
    if (submitted.has(taskId)) continue
    if (delegated.has(taskId)) {
      if (found.length > 1) violations.push(`delegated task ${taskId} has ${found.length} results`)
      continue
    }
    const isRefusal = isOfNobody(taskId, hostile) && found.every(({ data }) => data.status === 'rejected')
    if (!isRefusal) violations.push(`a result of ${taskId.slice(0, 200)}, which nobody submitted`)
    else if (found.length > 1) violations.push(`${found.length} refusals of ${taskId.slice(0, 200)}`)
  }
  return violations
}

export function checkHistory({ world }: Simulation, evidence: Evidence): string[] {
  return [
    ...repeatedEvents(evidence),
    ...causeless(evidence, world.tally.timers),
    ...evidence.written.flatMap((record) => {
      const taskId = 'taskId' in record.data ? record.data.taskId : null
      const isOpen = record.topic === 'tasks.submitted' || record.topic === 'tasks.control'
      return taskId === null || isOpen || isAtHome(taskId, record, world)
        ? []
        : [`${record.type} of ${taskId} lies on partition ${record.partition}, away from home`]
    }),
    ...answers(evidence),
    ...endings(evidence),
  ]
}

/**
 * An effect that was committed twice has the same event id twice. Records moved home keep theirs, and a report that is
 * streamed, outside of the transaction, comes again with its handling.
 */
function repeatedEvents({ written }: Evidence): string[] {
  const own = written.filter(
    ({ topic, type }) => topic !== 'tasks.submitted' && topic !== 'tasks.control' && type !== 'BudgetWarned',
  )
  return [...grouped(own, ({ eventId }) => eventId)]
    .filter(([, { length }]) => length > 1)
    .map(([id, [first]]) => `${first?.type} ${id} was committed more than once`)
}

/** Everything follows from an event on the log, or from a timer that fired. */
function causeless({ written, ids }: Evidence, timers: ReadonlySet<string>): string[] {
  return written
    .filter(({ causeId }) => causeId !== null && !ids.has(causeId) && !timers.has(causeId))
    .map(({ type, causeId }) => `${type} was caused by ${causeId}, which is not on the log`)
}

/** Every request is asked once and answered once, unless its task ended first. */
function answers(evidence: Evidence): string[] {
  const closed = new Map(evidence.of('TaskClosed').map(({ data }) => [data.taskId, data.status]))
  const tools = pairs(
    'ToolRequested',
    grouped(evidence.of('ToolRequested'), ({ data }) => `${data.taskId} ${data.callId}`),
    grouped(evidence.of('ToolCompleted'), ({ data }) => `${data.taskId} ${data.callId}`),
    closed,
  )
  const code = pairs(
    'CodeRequested',
    grouped(evidence.of('CodeRequested'), ({ data }) => `${data.taskId} ${data.requestId}`),
    grouped(evidence.of('CodeCompleted'), ({ data }) => `${data.taskId} ${data.requestId}`),
    closed,
  )
  return [...tools, ...code]
}

function pairs(
  what: string,
  asked: ReadonlyMap<string, readonly Written[]>,
  answered: ReadonlyMap<string, readonly Written[]>,
  closed: ReadonlyMap<string, string>,
): string[] {
  const violations: string[] = []
  for (const [key, requests] of asked) {
    const replies = answered.get(key)?.length ?? 0
    const ended = closed.get(key.split(' ')[0] ?? '')
    if (requests.length > 1) violations.push(`${what} ${key} was asked ${requests.length} times`)
    if (replies > 1 || (replies === 0 && (ended === undefined || ended === 'succeeded')))
      violations.push(`${what} ${key} was answered ${replies} times`)
  }
  for (const key of answered.keys())
    if (!asked.has(key)) violations.push(`an answer to ${what} ${key}, which nobody asked`)
  return violations
}

/** Planner's and router's history of a task: admitted first, completed last and once. */
function endings(evidence: Evidence): string[] {
  const lines = evidence
    .of('TaskProgressed')
    .filter(({ data }) => data.stage === 'router' || data.stage === 'planner')
  const violations: string[] = []
  for (const [taskId, progress] of grouped(lines, ({ data }) => data.taskId)) {
    const kinds = progress.map(({ data }) => data.kind)
    const count = (kind: string) => kinds.filter((each) => each === kind).length
    if (count('completed') !== 1 || kinds.at(-1) !== 'completed')
      violations.push(`the history of ${taskId} does not end with its completion: ${kinds.join(', ')}`)
    const first = kinds.find((kind) => kind !== 'queued')
    if (count('queued') > 1 || count('admitted') > 1 || (count('admitted') === 1 && first !== 'admitted'))
      violations.push(`the history of ${taskId} does not begin with its admission: ${kinds.join(', ')}`)
    const steps = progress.flatMap(({ data }) => (data.kind === 'step_completed' ? [data.step] : []))
    if (steps.some((step, index) => step !== index + 1))
      violations.push(`the steps of ${taskId} are out of order: ${steps.join(', ')}`)
  }
  return violations
}
