// Budgets: at every step, and when all is over.
import type { World } from '../../../runtime/testing/simulator/world.ts'
import { stoppedTasks, type Evidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

export function checkLimits({ outside: { book }, world, deadly }: Simulation, evidence: Evidence): string[] {
  const violations = [...new Set(book.violations)]
  const recorded = new Map<string, number>()
  for (const { data } of evidence.of('UsageRecorded'))
    if (data.kind === 'model') recorded.set(data.callId, data.inputTokens + data.outputTokens)
  for (const [callId, tokens] of recorded)
    if (book.settledOf(callId) !== tokens)
      violations.push(`model call ${callId} used ${tokens} tokens and settled ${book.settledOf(callId)}`)
  const excused = endedUnseen(world, evidence)
  const letters = evidence.of('DeadLettered').map(({ data }) => data)
  for (const { callId, taskId } of world.book.calls)
    if (deadly.isGivenUp(taskId, letters, world)) excused.add(callId)
  for (const callId of book.settled())
    if (!recorded.has(callId) && !excused.has(callId))
      violations.push(`model call ${callId} settled ${book.settledOf(callId)} tokens that are not recorded`)
  return violations
}

/**
 * Calls of a lost lane: the end of their task may have overtaken the event that would have recorded them, or a breaker that
 * had opened meanwhile refused to make them again.
 */
function endedUnseen({ book, broker }: World, evidence: Evidence): Set<string> {
  const stopped = new Set(stoppedTasks(evidence))
  for (const { data } of evidence.of('TaskProgressed'))
    if (JSON.stringify(data.detail).includes('BREAKER_OPEN')) stopped.add(data.taskId)
  const calls = book.calls.filter(
    ({ taskId, stage, lane, epoch }) => stopped.has(taskId) && broker.epoch(stage, lane) !== epoch,
  )
  return new Set(calls.map(({ callId }) => callId))
}

/** A week later. */
export async function checkReservations({ outside: { limits } }: Simulation): Promise<string[]> {
  const held = (await limits.budgets('')).filter(({ reserved }) => reserved !== 0)
  return held.map(({ key, reserved }) => `${reserved} tokens of ${key} are still reserved after a week`)
}
