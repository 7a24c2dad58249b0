// A fleet at rest: how fast it answers, and what it says of a log that has lost something.
import type { Evidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

export function checkAfterwards({ afterwards, world }: Simulation, evidence: Evidence): string[] {
  const ends = new Map(evidence.of('TaskCompleted').map(({ data, atMs }) => [data.taskId, atMs]))
  const slow = afterwards.probes.flatMap(({ taskId, atMs, withinMs }) => {
    const tookMs = (ends.get(taskId) ?? world.clock.now()) - atMs
    return tookMs > withinMs ? [`${taskId} took ${tookMs} ms in a fleet at rest`] : []
  })
  const silent = afterwards.losses.flatMap(({ kind, topic, unread, alarms }) => {
    if (alarms <= 0) return [`${topic} was ${kind}, and nobody was told`]
    const counted = world.tally.of('records_lost')
    return counted < unread
      ? [`${unread} unread records of ${topic} are gone, and ${counted} were counted`]
      : []
  })
  return [...slow, ...silent]
}
