// Whether the topics of a data file have as many partitions as are configured.
import type { TopicName } from '../../../schemas/topics.ts'
import { FlotillaError } from '../../errors.ts'
import { plural } from '../../text/quantities.ts'
import type { DataFile } from '../../store/data-file/data-file.ts'

/** Topics that share the configured number all have that of this one. */
const EXAMPLE = 'tasks.submitted' satisfies TopicName

export function partitionsMismatch(topic: string, found: number, wanted: number): FlotillaError {
  const message =
    `${topic} has ${plural(found, 'partition')} in this data directory, the configuration says ${wanted}: ` +
    `set FLOTILLA_PARTITIONS=${found}, or FLOTILLA_DATA to another directory`
  return new FlotillaError('TOPICS_MISMATCH', message)
}

/** Throws TOPICS_MISMATCH if the file has topics with another number. Only reads. */
export function requirePartitions(db: DataFile['db'], prefix: string, wanted: number): void {
  if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'slots'").get() === undefined) return
  const count = db.prepare('SELECT COUNT(*) AS found FROM slots WHERE prefix = ? AND topic = ?')
  const found = Number(count.get(prefix, EXAMPLE)?.['found'])
  if (found > 0 && found !== wanted) throw partitionsMismatch(EXAMPLE, found, wanted)
}
