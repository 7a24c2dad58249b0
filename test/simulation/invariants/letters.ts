// Records that are given up, and the handling of records that nobody should have written.
import { grouped, type Evidence } from '../evidence.ts'
import { MOST_DEATHS } from '../deadly.ts'
import type { Simulation } from '../simulate.ts'
import type { Spoilt } from '../users.ts'

const placeOf = ({ topic, partition, offset }: Spoilt): string => `${topic} ${partition}:${offset}`

/** Only unreadable records are given up, and none of them vanishes. */
export function checkLetters(run: Simulation, evidence: Evidence): string[] {
  const { users, hostile, deadly, afterwards, rollout, world } = run
  const letters = evidence.of('DeadLettered').map(({ data }) => data)
  const lost = afterwards.bulky.filter(({ kind }) => kind === 'lost').map(({ taskId }) => taskId)
  const isOfLost = ({ key, code }: (typeof letters)[number]): boolean =>
    code === 'PAYLOAD_MISSING' && lost.includes(key ?? '')
  const chance = letters.filter((letter) => deadly.isCoincidence(letter, world))
  const coincidences = new Set(chance.map(({ key }) => key))
  /** Of a lane's own key, a complaint does not name the record's. */
  const causes = chance.map(({ sourceTopic, offset }) => `"cause":"${sourceTopic}/${offset}"`)
  const spoilt = new Set([...users.junk, ...hostile.refusable].map(placeOf))
  const byPlace = grouped(
    letters,
    ({ sourceTopic, partition, offset }) => `${sourceTopic} ${partition}:${offset}`,
  )
  return [
    ...letters
      .filter(({ sourceTopic, partition, offset }) => !spoilt.has(`${sourceTopic} ${partition}:${offset}`))
      .filter((letter) => !deadly.isDeadly(letter.key) && !isOfLost(letter) && !coincidences.has(letter.key))
      .map(({ stage, message }) => `dead letter of ${stage}: ${message.slice(0, 200)}`),
    ...users.junk.flatMap((place) => {
      const count = byPlace.get(placeOf(place))?.length ?? 0
      return count === 1 ? [] : [`the junk at ${placeOf(place)} has ${count} dead letters`]
    }),
    ...deadly.plans.flatMap(({ taskId, stage, phase, times, deaths }) => {
      const isConvicted = letters.some(({ key }) => key?.split('/')[0] === taskId)
      if (deaths > MOST_DEATHS) return [`${taskId} killed ${deaths} processes, in ${stage}, ${phase}`]
      const isAtLarge = times === Infinity && deaths === MOST_DEATHS && !isConvicted
      return isAtLarge ? [`${taskId} killed ${deaths} processes, and no dead letter says so`] : []
    }),
    ...lost
      .filter((taskId) => letters.filter((letter) => isOfLost(letter) && letter.key === taskId).length !== 1)
      .map((taskId) => `not one dead letter says that a payload of ${taskId} is lost`),
    ...vanished(evidence, hostile, byPlace),
    // Events given up are logged as errors, and so are losses of the log and a lane of a newer release.
    ...world.tally.complaints
      .filter((text) => !deadly.plans.some(({ taskId }) => text.includes(taskId)))
      .filter((text) => ![...coincidences].some((key) => key !== null && text.includes(key)))
      .filter((text) => !causes.some((cause) => text.includes(cause)))
      .filter((text) => lost.length === 0 || !isOfLostPayload(text))
      .filter((text) => !(rollout.direction && text.includes('is left to processes of the newer release')))
      .filter((text) => !afterwards.losses.some(({ topic }) => text.startsWith(`${topic}[`))),
  ]
}

/** Reading it is retried, then given up. */
const isOfLostPayload = (complaint: string): boolean =>
  complaint.includes('PAYLOAD_MISSING') ||
  complaint === 'a stage threw: {"stage":"planner","topic":"tools.completed","type":"ToolCompleted"}'

/** A submission may be answered instead, under an id derived from its position or under its own. */
function vanished(
  evidence: Evidence,
  hostile: Simulation['hostile'],
  letters: ReadonlyMap<string, unknown>,
): string[] {
  const silent = hostile.refusable.filter((place) => !letters.has(placeOf(place)))
  const results = evidence.of('TaskCompleted').map(({ data }) => data)
  const refused = results.filter(({ taskId, status }) => status === 'rejected' && isOfNobody(taskId, hostile))
  const submissions = silent.filter(({ topic }) => topic === 'tasks.submitted')
  const others = silent.filter(({ topic }) => topic !== 'tasks.submitted')
  return [
    ...others.map((place) => `${place.deed}, at ${placeOf(place)}, vanished`),
    ...(submissions.length > refused.length
      ? [`${submissions.length} submissions that can't be tasks, and ${refused.length} of them answered`]
      : []),
  ]
}

/** The id of a refusing result: the hostile one, as far as it is shown, or one derived from a position. */
export const isOfNobody = (taskId: string, { ids }: Simulation['hostile']): boolean =>
  ids.has(taskId) || /^[0-9a-f]{32}$/.test(taskId)
