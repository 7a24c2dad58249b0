// Usage, in every place that reports it.
import { isTaskId } from '../../../schemas/identity.ts'
import type { World } from '../../../runtime/testing/simulator/world.ts'
import { grouped, stoppedTasks, type Evidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

export function checkUsage(run: Simulation, evidence: Evidence): string[] {
  const { world, deadly } = run
  const recorded = evidence.of('UsageRecorded')
  const byCall = grouped(
    recorded.filter(({ data }) => data.kind === 'model'),
    ({ data }) => data.callId,
  )
  const violations: string[] = []
  const stopped = stoppedTasks(evidence)
  const letters = evidence.of('DeadLettered').map(({ data }) => data)
  for (const { callId, taskId, spent, isOrphaned } of finishedCalls(world)) {
    const rows = byCall.get(callId) ?? []
    const told = rows.map(({ data }) => `${data.inputTokens}+${data.outputTokens}`)
    // Its lane was lost before the commit, and the end of its task overtook the event that would have read
    // the answer.
    if (rows.length === 0 && isOrphaned && stopped.has(taskId)) continue
    // Given up with the event whose handling killed its processes: nobody could read the answer.
    if (rows.length === 0 && deadly.isGivenUp(taskId, letters, world)) continue
    if (rows.length !== 1 || told[0] !== spent)
      violations.push(
        `model call ${callId} of ${taskId} spent ${spent} tokens, recorded: ${told.join(', ') || 'nothing'}`,
      )
  }
  return [...violations, ...ofStopped(run, evidence), ...inResults(evidence), ...inLedger(run, evidence)]
}

/**
 * A stopped call is charged for its usage: no less than the model charges, and exactly that where the client
 * knew it. A call that was made twice, or whose process died, is in doubt.
 */
function ofStopped(run: Simulation, evidence: Evidence): string[] {
  const { book, broker } = run.world
  const recorded = grouped(
    evidence.of('UsageRecorded').filter(({ data }) => data.kind === 'model'),
    ({ data }) => data.callId,
  )
  const ended = stoppedTasks(evidence)
  return [...book.finished()].flatMap(([callId, outcome]) => {
    const [call, ...again] = book.of(callId)
    const isInDoubt = again.length > 0 || (call && run.troubleOf(call.process, call.atMs) !== null)
    if (!call?.stoppedWith || outcome.ok || isInDoubt) return []
    const isOrphaned = broker.epoch(call.stage, call.lane) !== call.epoch
    const [row] = recorded.get(callId) ?? []
    if (!row && isOrphaned && ended.has(call.taskId)) return []
    const charged = call.stoppedWith.input + call.stoppedWith.output
    const paid = row ? row.data.inputTokens + row.data.outputTokens : 0
    if (call.isTold ? paid === charged : paid >= charged) return []
    return [`model call ${callId} of ${call.taskId} was stopped at ${charged} tokens, recorded: ${paid}`]
  })
}

function inResults(evidence: Evidence): string[] {
  const models = evidence.of('UsageRecorded').filter(({ data }) => data.kind === 'model')
  const byTask = grouped(models, ({ data }) => data.taskId)
  return evidence.of('TaskCompleted').flatMap(({ data: { taskId, usage } }) => {
    const rows = (byTask.get(taskId) ?? []).map(({ data }) => data)
    const sum = (pick: (row: (typeof rows)[number]) => number) =>
      rows.reduce((total, row) => total + pick(row), 0)
    const tokens = sum((row) => row.inputTokens + row.outputTokens)
    const isSame =
      usage.inputTokens + usage.outputTokens === tokens &&
      usage.modelCalls === rows.length &&
      Math.abs(usage.cost - sum((row) => row.cost)) < 1e-9
    return isSame
      ? []
      : [
          `task ${taskId}: its result says ${JSON.stringify(usage)}, recorded were ${rows.length} calls and ${tokens} tokens`,
        ]
  })
}

function inLedger({ outside: { ledger }, deadly, world }: Simulation, evidence: Evidence): string[] {
  const violations: string[] = []
  const letters = evidence.of('DeadLettered').map(({ data }) => data)
  const unwritten = letters.filter(
    (letter) => letter.stage === 'metering' && deadly.isCoincidence(letter, world),
  )
  // Dead letters are all that is left of these.
  const isWritten = ({ data }: { readonly data: { readonly taskId: string } }): boolean =>
    !unwritten.some(({ key }) => key === data.taskId)
  const recorded = evidence.of('UsageRecorded').filter(isWritten)
  for (const { eventId, data } of recorded)
    if (ledger.usage.get(eventId)?.input_tokens !== data.inputTokens)
      violations.push(`usage ${eventId} is not in the ledger as it was recorded`)
  if (unwritten.length === 0 && ledger.usage.size !== recorded.length)
    violations.push(`${ledger.usage.size} rows in the ledger, ${recorded.length} recorded`)
  for (const { data } of evidence.of('TaskCompleted').filter(isWritten)) {
    const row = ledger.tasks.get(data.taskId)
    if (row?.status !== data.status)
      violations.push(`task ${data.taskId} is ${row?.status} in the ledger, not ${data.status}`)
  }
  for (const taskId of ledger.open)
    if (ledger.tasks.has(taskId)) violations.push(`task ${taskId} has ended and is open in the ledger`)
  for (const { data } of evidence.of('FeedbackGiven').filter(isWritten))
    if (!ledger.feedback.has(data.taskId) && isTaskId(data.taskId))
      violations.push(`the feedback on ${data.taskId} was lost`)
  return violations
}

/** Model calls that are in the journal with an answer, and what the model charged for it. */
function finishedCalls({ book, broker }: World) {
  const charged = new Map(book.calls.map((call) => [call.callId, call]))
  return [...book.finished()].flatMap(([callId, outcome]) => {
    const call = charged.get(callId)
    const isAnswer = outcome.ok || outcome.failure.details !== undefined
    if (!isAnswer || !call?.tokens || call.stoppedWith) return []
    const isOrphaned = broker.epoch(call.stage, call.lane) !== call.epoch
    return [{ callId, taskId: call.taskId, spent: `${call.tokens.input}+${call.tokens.output}`, isOrphaned }]
  })
}
