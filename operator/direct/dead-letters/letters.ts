// Reads dead-letters from its end: letters, each with the mark that a replay or a purge left behind it.
import type { Codec } from '../../../runtime/codec/port.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Log, LogRecord, PartitionRange } from '../../../runtime/log/port.ts'
import type { DeadLettered } from '../../../schemas/generated/events.ts'
import { headers as names } from '../../../schemas/topics.ts'
import { isMark, PURGED } from './replay.ts'
import { readable } from '../../../runtime/codec/skip.ts'
import { backwards } from '../topic-reads.ts'

export interface FoundLetter {
  readonly id: string
  readonly record: LogRecord
  readonly letter: DeadLettered
  readonly replayedAtMs: number | null
  readonly isPurged: boolean
}

/** Each given field must match. */
export interface LetterFilter {
  /** Epoch milliseconds of the failure. */
  readonly sinceMs?: number
  readonly code?: string
  readonly stage?: string
  /** A part of the message, in any case. */
  readonly reason?: string
}

/** Records of one read, and of one partition in all. */
const PAGE = 200
const MAX_READ = 10_000

/** The newest first. `sinceMs`: older ones are not wanted. Records that are no letters are omitted. */
export async function* lettersOf(
  { log, codec }: { log: Log; codec: Codec },
  range: PartitionRange,
  sinceMs = 0,
): AsyncGenerator<FoundLetter> {
  const marks = new Map<string, DeadLettered[]>()
  for await (const record of backwards(log, range, { page: PAGE, most: MAX_READ, sinceMs })) {
    const decoded = await readable(codec, record)
    if (decoded?.type !== 'DeadLettered') continue
    const letter = decoded.data
    const id = `${record.partition}:${record.offset}`
    const own = marks.get(id) ?? []
    marks.delete(id)
    const marked = letter.headers[names.replayOf]
    if (isMark(letter) && marked !== undefined) marks.set(marked, [...(marks.get(marked) ?? []), letter])
    else yield { id, record, letter, ...stateOf(own) }
  }
}

function stateOf(marks: readonly DeadLettered[]): Pick<FoundLetter, 'replayedAtMs' | 'isPurged'> {
  const replayed = marks.find(({ code }) => code !== PURGED)
  return { replayedAtMs: replayed?.failedAtMs ?? null, isPurged: marks.some(({ code }) => code === PURGED) }
}

export function matches({ letter }: FoundLetter, { sinceMs, code, stage, reason }: LetterFilter): boolean {
  return (
    letter.failedAtMs >= (sinceMs ?? 0) &&
    letter.code === (code ?? letter.code) &&
    letter.stage === (stage ?? letter.stage) &&
    letter.message.toLowerCase().includes(reason?.toLowerCase() ?? '')
  )
}

/** Throws REQUEST_INVALID: a slip must not take every letter. */
export function assertNarrowed({ sinceMs, code, stage, reason }: LetterFilter): void {
  if ([sinceMs, code, stage, reason].some((each) => each !== undefined)) return
  const message = 'say which dead letters: by id, or by since, code, stage or reason'
  throw new FlotillaError('REQUEST_INVALID', message)
}
