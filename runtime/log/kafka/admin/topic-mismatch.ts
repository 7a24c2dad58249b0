// Topics on the broker whose number of partitions is not the configured one.
import { FlotillaError } from '../../../errors.ts'
import { plural } from '../../../text/quantities.ts'

export interface Counted {
  readonly topic: string
  readonly found: number
  readonly wanted: number
}

const SHOWN = 5

/** The number that all of these topics have instead of the configured one; null if they do not agree on another. */
export function otherCount(counted: readonly Counted[]): number | null {
  const [first] = counted
  if (first === undefined || first.found === first.wanted) return null
  return counted.every(({ found, wanted }) => found === first.found && wanted === first.wanted)
    ? first.found
    : null
}

/** TOPICS_MISMATCH that names what differs; null if nothing does. */
export function topicsMismatch(counted: readonly Counted[]): FlotillaError | null {
  const wrong = counted.filter(({ found, wanted }) => found !== wanted)
  if (wrong.length === 0) return null
  const list = wrong.map(
    ({ topic, found, wanted }) => `${topic} has ${plural(found, 'partition')}, not ${wanted}`,
  )
  const count = otherCount(counted)
  const more = list.length > SHOWN ? `; and ${list.length - SHOWN} more` : ''
  const remedy =
    count === null
      ? 'Records in partitions that are too many are read by nobody, and no process starts. Stop the producers of each, let what ' +
        'runs of the fleet finish its tasks, delete the topic, and create it with: flotilla topics --create'
      : `Set FLOTILLA_PARTITIONS=${count}, or use another FLOTILLA_PREFIX: the count of existing topics can never change`
  const message = `${list.slice(0, SHOWN).join('; ')}${more}. ${remedy}.`
  return new FlotillaError('TOPICS_MISMATCH', message, { details: { topics: list } })
}

/**
 * TOPICS_MISMATCH for state topics that have too few partitions; null if none has. Lanes use no more than theirs, so that
 * further ones are no mistake.
 */
export function statesMismatch(counted: readonly Counted[]): FlotillaError | null {
  const short = counted.filter(({ found, wanted }) => found < wanted)
  if (short.length === 0) return null
  return new FlotillaError('TOPICS_MISMATCH', `${short.map(shortState).join('; ')}.`)
}

/** Problem, with its remedy: a row is in the partition of its lane, so that no row moves when partitions are added. */
export const shortState = ({ topic, found, wanted }: Counted): string =>
  `${topic} has ${plural(found, 'partition')}, not ${wanted}: lanes from ${found} on have nowhere to keep their state, and do ` +
  `not open. Add them: kafka-topics.sh --alter --topic ${topic} --partitions ${wanted}`
