// Calls to the outside world.
import type { Evidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

/** A call that goes on for longer, although its task is over and its process is well, was not stopped. */
const STOPPED_WITHIN_MS = 8_000

export function checkCalls({ world }: Simulation): string[] {
  const { book, tally } = world
  const inDoubt = tally.of('calls_in_doubt')
  // The host counts what may have been made twice; what was is never more.
  const uncounted =
    book.repeated > inDoubt ? [`${book.repeated} calls were repeated and ${inDoubt} counted`] : []
  return [...book.violations, ...uncounted]
}

export function checkAfter(run: Simulation, evidence: Evidence): string[] {
  const { world } = run
  const ends = new Map(evidence.of('TaskCompleted').map(({ data, atMs }) => [data.taskId, atMs]))
  const now = world.clock.now()
  return world.book.calls.flatMap((call) => {
    const endedMs = ends.get(call.taskId)
    if (endedMs === undefined) return []
    // Planner writes the result itself; the others hear of the end and may be a moment behind.
    const graceMs = call.kind === 'model' ? 0 : STOPPED_WITHIN_MS
    if (call.byOwner && call.atMs > endedMs + graceMs)
      return [
        `${call.kind} call ${call.callId} was made ${call.atMs - endedMs} ms after ${call.taskId} had ended`,
      ]
    const goesOnMs = (call.endedMs ?? now) - Math.max(call.atMs, endedMs)
    // A lane that was lost does not stop its calls: the next owner waits for them.
    const isOwner = call.byOwner && world.broker.epoch(call.stage, call.lane) === call.epoch
    if (goesOnMs > STOPPED_WITHIN_MS && isOwner && run.troubleOf(call.process, call.atMs) === null)
      return [`${call.kind} call ${call.callId} went on for ${goesOnMs} ms after ${call.taskId} had ended`]
    return []
  })
}
