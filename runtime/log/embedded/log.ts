// The embedded log: one SQLite file, one process, the guarantees of the port. After kill -9 it goes on when
// reopened.
import { systemClock } from '../../clock.ts'
import type { Clock } from '../../clock.ts'
import { FlotillaError } from '../../errors.ts'
import { plural } from '../../text/quantities.ts'
import { onDataFile } from '../../store/data-file/data-file.ts'
import type { DataFile, Durability } from '../../store/data-file/data-file.ts'
import { refuseMoved } from '../../store/data-file/moved-file.ts'
import { DEFAULT_PARTITIONS } from '../../../schemas/topics.ts'
import type { Log } from '../port.ts'
import { Engine } from './engine.ts'
import { openSqliteStorage } from './sqlite-storage.ts'
import { createView } from './view.ts'

export interface EmbeddedLogOptions {
  readonly dataDir: string
  readonly partitions?: number
  /** Fleets with different prefixes may share a directory. Default `flotilla`. */
  readonly prefix?: string
  readonly clock?: Clock
  readonly durability?: Durability
}

export interface EmbeddedLog extends Log {
  readonly kind: 'embedded'
  /** The file in which the stores of the same process keep their tables. */
  readonly file: DataFile
  /** Names this process's gateway in the error that a second process gets. */
  announce(owner: { gateway: string }): void
  /** Applies retention now; runs by itself every hour. Returns how many records it deleted. */
  sweep(): Promise<number>
}

interface SharedEngine {
  readonly engine: Engine
  readonly timer: NodeJS.Timeout
  views: number
}

const SWEEP_EVERY_MS = 3_600_000
const engines = new WeakMap<DataFile, Map<string, SharedEngine>>()

/** Opened twice in one process: two views of one log. Throws DATA_LOCKED if another process has it. */
export function openEmbeddedLog(options: EmbeddedLogOptions): EmbeddedLog {
  const prefix = options.prefix ?? 'flotilla'
  return onDataFile(options, (file) => {
    const shared = shareEngine(file, prefix, options)
    const view = createView(shared.engine, () => {
      releaseEngine(file, prefix, shared)
      file.release()
    })
    const announce = (owner: { gateway: string }): void => file.announce(owner)
    return { ...view, kind: 'embedded', file, announce, sweep: () => shared.engine.sweep() }
  })
}

function shareEngine(file: DataFile, prefix: string, options: EmbeddedLogOptions): SharedEngine {
  const ofFile = engines.get(file) ?? new Map<string, SharedEngine>()
  engines.set(file, ofFile)
  const shared = ofFile.get(prefix) ?? startEngine(file, prefix, options)
  const { partitions } = shared.engine
  if (partitions !== (options.partitions ?? DEFAULT_PARTITIONS)) {
    const message = `${file.dir} is open in this process with ${plural(partitions, 'partition')}, not ${options.partitions}`
    throw new FlotillaError('TOPICS_MISMATCH', message)
  }
  ofFile.set(prefix, shared)
  shared.views++
  return shared
}

function startEngine(file: DataFile, prefix: string, options: EmbeddedLogOptions): SharedEngine {
  refuseMoved(file.dir, prefix)
  const engine = new Engine({
    kind: 'embedded',
    partitions: options.partitions ?? DEFAULT_PARTITIONS,
    storage: openSqliteStorage(file, prefix),
    clock: options.clock ?? systemClock,
    soon: setImmediate,
  })
  file.onDamage((error) => {
    if (file.isDisplaced) engine.met(error)
  })
  // A sweep that fails (a full disk) is retried in an hour; commits report the same error at once.
  const timer = setInterval(() => void engine.sweep().catch(() => undefined), SWEEP_EVERY_MS).unref()
  return { engine, timer, views: 0 }
}

function releaseEngine(file: DataFile, prefix: string, shared: SharedEngine): void {
  if (--shared.views > 0) return
  clearInterval(shared.timer)
  shared.engine.pump.close()
  engines.get(file)?.delete(prefix)
}
