// The note in a data directory that its fleet was moved to Kafka: two fleets with the same open tasks would both do them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FlotillaError } from '../errors.ts'

const NAME = 'moved-to-kafka.json'

interface Moved {
  readonly atMs: number
  readonly brokers: readonly string[]
}

/** By the fleet's prefix: several may share a directory. */
function read(dataDir: string): Record<string, Moved> {
  const path = join(dataDir, NAME)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, Moved>) : {}
}

export function noteMoved(dataDir: string, prefix: string, moved: Moved): void {
  const text = JSON.stringify({ ...read(dataDir), [prefix]: moved }, null, 2)
  writeFileSync(join(dataDir, NAME), `${text}\n`, { mode: 0o600 })
}

/** Throws LOG_UNAVAILABLE if the fleet was moved. */
export function refuseMoved(dataDir: string, prefix: string): void {
  const moved = read(dataDir)[prefix]
  if (moved === undefined) return
  throw new FlotillaError(
    'LOG_UNAVAILABLE',
    `the fleet in ${dataDir} was moved to Kafka at ${moved.brokers.join(', ')} on ${new Date(moved.atMs).toISOString()}: set KAFKA_BROKERS. ` +
      `To go back instead, stop the fleet there and delete ${join(dataDir, NAME)}: what ran there since runs again`,
  )
}
