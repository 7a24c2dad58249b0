// A fleet at rest: how fast it answers, and what it reports of a log that has lost records.
import type { Evidence } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

/** A lost payload fails its task for that reason; one that can't be read for a while is read in the end. */
function payloads({ bulky }: Simulation['afterwards'], evidence: Evidence): string[] {
  return bulky.flatMap(({ taskId, kind, untilMs }) => {
    const end = evidence.of('TaskCompleted').find(({ data }) => data.taskId === taskId)
    const how = `${end?.data.status} ${end?.data.error?.code ?? ''}`.trim()
    const isRight =
      kind === 'lost' ? how === 'failed PAYLOAD_MISSING' : how === 'succeeded' && (end?.atMs ?? 0) >= untilMs
    return isRight ? [] : [`${taskId}, whose payload was ${kind}, is ${how}`]
  })
}

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
  return [...slow, ...silent, ...payloads(afterwards, evidence)]
}
