// Problems that block a stage's input, with their remedies.
import { plural } from '../../../text/quantities.ts'
import { NO_LEADER, type Stuck } from '../produce/open-transactions.ts'
import { shortState } from './topic-mismatch.ts'
import type { Looked } from './topic-watch.ts'

/** The problems of several sources. Each change is reported with all current ones. */
export class Problems {
  readonly #report: (problems: readonly string[]) => void
  readonly #bySource = new Map<string, readonly string[]>()

  constructor(report: (problems: readonly string[]) => void) {
    this.#report = report
  }

  /** Empty: the source has no more problems. */
  set(source: string, problems: readonly string[]): void {
    const former = this.#bySource.get(source) ?? []
    if (former.join('\n') === problems.join('\n')) return
    if (problems.length === 0) this.#bySource.delete(source)
    else this.#bySource.set(source, problems)
    this.#report([...this.#bySource.values()].flat())
  }
}

export function topicProblems(
  topics: readonly string[],
  partitions: number,
  { facts, missing }: Looked,
): string[] {
  return topics.flatMap((topic) => {
    if (missing.has(topic)) return [`${topic} is missing: create it with: flotilla topics --create`]
    const found = facts.get(topic)?.partitions ?? partitions
    if (found === partitions) return []
    return [
      `${topic} has ${plural(found, 'partition')}, not ${partitions}: records in the others are not read, and no process starts ` +
        `again. Stop its producers, let the fleet finish its tasks, delete the topic, and create it with: flotilla topics --create`,
    ]
  })
}

/** The same of a stage's state topic: its rows are in the partitions of their lanes, and further ones are not used. */
export function stateProblems(topic: string, partitions: number, { facts, missing }: Looked): string[] {
  if (missing.has(topic))
    return [
      `${topic} is missing, and with it the state of open tasks: create it with: flotilla topics --create ` +
        `(docs/runbooks/input_lost.md)`,
    ]
  const found = facts.get(topic)?.partitions ?? partitions
  return found < partitions ? [shortState({ topic, found, wanted: partitions })] : []
}

/** Problem of a partition on which reading is stuck. */
export function stuckProblem(topic: string, partition: number, { offset, reason }: Stuck): string {
  if (reason === null)
    return (
      `${topic}[${partition}] can't be read from offset ${offset} on: another program has left a transaction open there. The broker ` +
      `ends it after its time-out; to end it now: kafka-transactions.sh abort --topic ${topic} --partition ${partition} ` +
      `--start-offset ${offset} (docs/runbooks/input_blocked.md)`
    )
  if (reason === NO_LEADER)
    return (
      `${topic}[${partition}] can't be read from offset ${offset} on: ${reason}. Start the brokers that hold it, which ` +
      `kafka-topics.sh --describe --topic ${topic} names (docs/runbooks/input_blocked.md)`
    )
  return (
    `${topic}[${partition}] can't be read from offset ${offset} on: ${reason}. If it was written compressed, have brokers store ` +
    `it as it is: kafka-configs.sh --alter --entity-type topics --entity-name ${topic} --add-config compression.type=uncompressed; ` +
    'skip existing records by kafka-consumer-groups.sh --reset-offsets, with the stage stopped (docs/runbooks/input_blocked.md)'
  )
}
