// Calls to the outside world.
import { grouped, type Evidence } from '../evidence.ts'
import { STOPPING_MS } from '../outside.ts'
import type { Simulation } from '../simulate.ts'

/** A call that goes on for longer, although its task is over and its process is well, was not stopped. */
const STOPPED_WITHIN_MS = 8_000

/** The slowness of the simulated store. */
const WRITTEN_WITHIN_MS = 40

export function checkCalls(run: Simulation): string[] {
  const { world } = run
  const { book, tally } = world
  const inDoubt = tally.of('calls_in_doubt:repeated')
  // The host counts calls that may have been made twice; no more were, except those that a store forgot in a
  // failover.
  const repeated = book.repeated - book.repeatedUnknown
  const uncounted = repeated > inDoubt ? [`${repeated} calls were repeated and ${inDoubt} counted`] : []
  return [...book.violations, ...uncounted, ...(world.alone ? longInDoubt(run) : [])]
}

/** A call answered longer than a write takes before its process ended is journalled, or committed. */
function longInDoubt({ world, processes }: Simulation): string[] {
  return [...grouped(world.book.calls, ({ callId }) => callId).values()].flatMap((calls) =>
    calls.slice(0, -1).flatMap(({ kind, callId, process, atMs, endedMs, stoppedWith }) => {
      const maker = processes.get(process)
      const knownMs = (maker?.endedMs ?? 0) - (endedMs ?? Infinity)
      const withinMs = WRITTEN_WITHIN_MS + (stoppedWith ? STOPPING_MS : 0)
      if (knownMs <= withinMs || maker?.wasHeldUp(atMs)) return []
      return [`${kind} call ${callId} was repeated, ${knownMs} ms after its answer reached ${process}`]
    }),
  )
}

export function checkAfter(run: Simulation, evidence: Evidence): string[] {
  const { world } = run
  const ends = new Map(evidence.of('TaskCompleted').map(({ data, atMs }) => [data.taskId, atMs]))
  const now = world.clock.now()
  return world.book.calls.flatMap((call) => {
    const endedMs = ends.get(call.taskId)
    if (endedMs === undefined) return []
    // Planner writes the result itself; the others learn of the end and may be a moment behind.
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
