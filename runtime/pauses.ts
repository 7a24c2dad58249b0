// Pauses of stages: what the events of ops.control amount to, read from the log. All of them have one key, so
// they have one order; the topic is small, so it is read as a whole.
import type { StagePaused } from '../schemas/generated/events.ts'
import type { Codec } from './codec/port.ts'
import { readable } from './codec/skip.ts'
import { homeOf } from './log/home.ts'
import type { Log } from './log/port.ts'

export const PAUSES_TOPIC = 'ops.control'
export const PAUSES_KEY = 'fleet'

export interface Pause {
  /** Null: every stage. */
  readonly stage: string | null
  readonly reason: string | null
  readonly by: string | null
  readonly sinceMs: number
}

const PAGE = 500
/** Older events are superseded many times. */
const MAX_EVENTS = 5_000

/** The pauses that hold now, the fleet's first. Resuming the fleet resumes every stage. */
function pausesOf(events: readonly StagePaused[]): Pause[] {
  const held = new Map<string | null, Pause>()
  for (const { stage, paused, reason, by, atMs } of events) {
    if (paused && !held.has(stage)) held.set(stage, { stage, reason, by, sinceMs: atMs })
    if (!paused) held.delete(stage)
    if (!paused && stage === null) held.clear()
  }
  return [...held.values()].toSorted((a, b) => Number(b.stage === null) - Number(a.stage === null))
}

export const isPausedBy = (pauses: readonly Pause[], stage: string): boolean =>
  pauses.some((pause) => pause.stage === null || pause.stage === stage)

export async function readPauses(log: Log, codec: Codec): Promise<Pause[]> {
  const home = homeOf(PAUSES_KEY, log.partitions)
  const [range] = await log.ranges([PAUSES_TOPIC], { partitions: [home] })
  const { earliest = 0, next = 0 } = range ?? {}
  const events: StagePaused[] = []
  for (let from = Math.max(earliest, next - MAX_EVENTS); from < next;) {
    const records = await log.read(PAUSES_TOPIC, home, from, PAGE)
    for (const record of records) {
      const decoded = await readable(codec, record)
      if (decoded?.type === 'StagePaused') events.push(decoded.data)
    }
    const last = records.at(-1)
    if (last === undefined) break
    from = last.offset + 1
  }
  return pausesOf(events)
}
