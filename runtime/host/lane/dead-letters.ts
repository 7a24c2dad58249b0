// Dead letters: records that a stage could not process, in a form that every log takes.
//
// 1. A letter is small, whatever it is about: many bytes go to the blob store, and so do a long key and long
//    headers. Its beginning stays readable, and replaying it finds the rest.
// 2. A letter names where its record was read, and why it was given up.
import { boundedText } from '../../text/bounded-text.ts'
import { recordBytes } from '../../log/limits.ts'
import type { LogRecord } from '../../log/port.ts'
import type { Emit, EventMap, Failure } from '../../stage.ts'
import type { HostParts } from '../context.ts'

export interface GivenUp {
  /** Null for a timer. */
  readonly record: LogRecord | null
  /** Set if there is no record. */
  readonly key?: string
  readonly lane: number
  readonly attempts: number
  /** Everything but the position and the reason goes to the blob store. */
  readonly smallest?: boolean
}

type Letter = EventMap['DeadLettered']

/** More than this of a value goes to the blob store; so much of it stays. */
const VALUE_BYTES = 200_000
const SHOWN_BYTES = 4_096
/** Key and headers. */
const ORIGIN_BYTES = 16_000
const KEY_CHARS = 500

/** Asynchronous only if something goes to the blob store; rejects when that is away. */
export function deadLetter(parts: HostParts, givenUp: GivenUp, reason: Failure): Emit | Promise<Emit> {
  const letter = letterOf(parts, givenUp, reason)
  const { key, value, headers } = letter
  const moves = {
    value: value.length > (givenUp.smallest ? 0 : VALUE_BYTES),
    origin: givenUp.smallest === true || recordBytes({ key, value: null, headers }) > ORIGIN_BYTES,
  }
  return moves.value || moves.origin ? smaller(parts, letter, moves, givenUp) : emitOf(letter)
}

function letterOf(parts: HostParts, { record, key, lane, attempts }: GivenUp, reason: Failure): Letter {
  return {
    sourceTopic: record?.topic ?? 'timer',
    partition: record?.partition ?? lane,
    offset: record?.offset ?? 0,
    key: record?.key ?? key ?? null,
    value: record?.value ?? new Uint8Array(),
    headers: { ...record?.headers },
    stage: parts.stage.name,
    code: reason.code,
    message: boundedText(reason.message),
    attempts,
    failedAtMs: parts.clock.now(),
    valueBlob: null,
    valueBytes: null,
    originBlob: null,
  }
}

function emitOf(data: Letter): Emit {
  return { topic: 'dead-letters', type: 'DeadLettered', key: boundedKey(data.key) ?? 'none', data }
}

async function smaller(
  { blobs }: HostParts,
  letter: Letter,
  moves: { value: boolean; origin: boolean },
  { smallest }: GivenUp,
): Promise<Emit> {
  const { key, value, headers } = letter
  const moved = { ...letter }
  if (moves.value) {
    moved.valueBlob = await blobs.put(value)
    moved.valueBytes = value.length
    moved.value = smallest ? new Uint8Array() : value.slice(0, SHOWN_BYTES)
  }
  if (moves.origin) {
    moved.originBlob = await blobs.put(Buffer.from(JSON.stringify({ key, headers })))
    moved.key = boundedKey(key)
    moved.headers = {}
  }
  return emitOf(moved)
}

const boundedKey = (key: string | null): string | null => key && boundedText(key, KEY_CHARS)

export function countDeadLetter(parts: HostParts, topic: string, reason: Failure): void {
  parts.instruments.count('dead_letters', 1, { stage: parts.stage.name, topic, code: reason.code })
}
