// The note in a data directory that its fleet is moved to Kafka: two fleets with the same open tasks would both do them.
//
// It is written before anything is copied, so that from then on the fleet starts in one place at most: not here while
// there is a note, not on Kafka while the move has not ended (log/kafka/move-progress.ts).
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FlotillaError } from '../../errors.ts'

const NAME = 'moved-to-kafka.json'

export interface Moved {
  /** When the move began. */
  readonly atMs: number
  readonly brokers: readonly string[]
  /** False: it was interrupted, or is under way. Absent: true. */
  readonly isEnded?: boolean
}

/** By the fleet's prefix: several may share a directory. */
function read(dataDir: string): Record<string, Moved> {
  const path = join(dataDir, NAME)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, Moved>) : {}
}

/** Null: the fleet was not moved. */
export const moveNoted = (dataDir: string, prefix: string): Moved | null => read(dataDir)[prefix] ?? null

/** As a whole or not at all: half a note would keep every fleet of the directory from starting. */
export function noteMoved(dataDir: string, prefix: string, moved: Moved): void {
  const text = JSON.stringify({ ...read(dataDir), [prefix]: moved }, null, 2)
  const draft = join(dataDir, `${NAME}.draft`)
  writeFileSync(draft, `${text}\n`, { mode: 0o600 })
  renameSync(draft, join(dataDir, NAME))
}

/** Throws LOG_UNAVAILABLE if the fleet was moved, or is being moved. */
export function refuseMoved(dataDir: string, prefix: string): void {
  const moved = moveNoted(dataDir, prefix)
  if (moved === null) return
  const [place, at] = [moved.brokers.join(', '), new Date(moved.atMs).toISOString()]
  const note = join(dataDir, NAME)
  throw new FlotillaError(
    'LOG_UNAVAILABLE',
    moved.isEnded === false
      ? `the move of the fleet in ${dataDir} to Kafka at ${place} began on ${at} and has not ended: run flotilla migrate --to ` +
          `kafka again, to its end. To stay here instead, delete ${note}, and there what was copied`
      : `the fleet in ${dataDir} was moved to Kafka at ${place} on ${at}: set KAFKA_BROKERS. ` +
          `To go back instead, stop the fleet there and delete ${note}: what ran there since runs again`,
  )
}
