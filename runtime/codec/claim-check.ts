// Payloads too large for the log go to the blob store, and `{"$blob": "<sha256>", "bytes": n}` stands in
// their place.
//
// 1. `resolve` undoes `externalize` exactly: a payload that looks like a reference is moved too, however
//    small, so none can be mistaken for a reference.
// 2. A payload is durable in the store before the event that refers to it can be committed. Putting it twice
//    is harmless.
// 3. Anyone writes TaskSubmitted, so a reference in it could name the payload of another task. Only its recording
//    may be moved (`storeRecording`), and that names its task inside: no other payload passes for one.
// 4. An event without anything large or referenced costs one walk over its fields, and no promise.
import { bufferOf } from '../bytes.ts'
import type { EventMap, EventType } from '../../schemas/generated/events.ts'
import { schemas } from '../../schemas/generated/schemas.ts'
import { isJsonText, shapeOf } from '../../schemas/record.ts'
import type { Json } from '../../schemas/json.ts'
import { FlotillaError, hasCode } from '../errors.ts'
import type { BlobStore } from '../store/port.ts'

/** Nothing on the log passes 512 KB; this leaves room for keys, headers and the batch. */
const LIMIT_BYTES = 400_000

interface Reference {
  readonly $blob: string
  readonly bytes: number
}
type Fields = Record<string, unknown>

const jsonFields = new Map(
  Object.values(schemas).map((schema) => [
    schema.name as EventType,
    schema.name === 'TaskSubmitted'
      ? []
      : schema.fields
          .map(shapeOf)
          .filter((field) => isJsonText(field.value))
          .map((field) => field.name),
  ]),
)

/** Payloads that a task can do without: what a session's Python had defined. */
const dispensable: ReadonlySet<string> = new Set([
  'TurnGranted.variables',
  'TaskAdmitted.variables',
  'CodeRequested.prior',
  'CodeCompleted.kept',
  'TurnEnded.variables',
])

const looksLikeReference = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && '$blob' in value

const isReference = (value: unknown): value is Reference =>
  looksLikeReference(value) && typeof (value as Reference).$blob === 'string'

/** The event itself, or one whose largest Json fields were moved so that its size fits `limitBytes`. */
export function externalize<T extends EventType>(
  type: T,
  data: EventMap[T],
  blobs: BlobStore,
  limitBytes: number = LIMIT_BYTES,
): EventMap[T] | Promise<EventMap[T]> {
  const names = jsonFields.get(type) ?? []
  if (names.length === 0) return data
  const fields = data as unknown as Fields
  const isSmall = sizeAtMost(fields, limitBytes) <= limitBytes
  if (isSmall && !names.some((name) => looksLikeReference(fields[name]))) return data
  return move(fields, names, blobs, limitBytes) as Promise<unknown> as Promise<EventMap[T]>
}

async function move(
  data: Fields,
  names: readonly string[],
  blobs: BlobStore,
  limitBytes: number,
): Promise<Fields> {
  const texts = names
    .map((name) => ({ name, bytes: Buffer.from(JSON.stringify(data[name]) ?? 'null') }))
    .sort((a, b) => b.bytes.length - a.bytes.length)
  const moved = { ...data }
  let size = sizeOfOthers(data, names) + texts.reduce((sum, text) => sum + text.bytes.length, 0)
  for (const { name, bytes } of texts) {
    if (size <= limitBytes && !looksLikeReference(data[name])) continue
    const reference: Reference = { $blob: await blobs.put(bytes), bytes: bytes.length }
    moved[name] = reference
    size += JSON.stringify(reference).length - bytes.length
  }
  return moved
}

type Gone = 'reject' | 'null' | 'spare'

/**
 * The event with every moved payload back in its place. Rejects with PAYLOAD_MISSING if the store no longer
 * has one, unless such a payload is to be null: each (`null`), or one that a task can do without (`spare`).
 * Await its result instead of calling it again: each call reads every payload.
 */
export function resolve<T extends EventType>(
  type: T,
  data: EventMap[T],
  blobs: BlobStore,
  gone: Gone = 'reject',
): EventMap[T] | Promise<EventMap[T]> {
  if (type === 'TaskSubmitted')
    return withRecording(data as EventMap['TaskSubmitted'], blobs) as EventMap[T] | Promise<EventMap[T]>
  const fields = data as unknown as Fields
  const names = movedFields(type, fields)
  if (names.length === 0) return data
  return bringBack(type, fields, names, blobs, gone) as Promise<unknown> as Promise<EventMap[T]>
}

/** A larger recording does not fit into a submission. */
const RECORDING_BYTES = 300_000

/** The submission as it is, or with a recording that is too large for the log in the blob store. */
export async function storeRecording(
  task: EventMap['TaskSubmitted'],
  blobs: BlobStore,
): Promise<EventMap['TaskSubmitted']> {
  const { taskId, recording } = task
  if (recording === null || sizeAtMost(recording, RECORDING_BYTES) <= RECORDING_BYTES) return task
  const bytes = Buffer.from(JSON.stringify({ recordingOf: taskId, recording }))
  return { ...task, recording: { $blob: await blobs.put(bytes), bytes: bytes.length } }
}

function withRecording(
  task: EventMap['TaskSubmitted'],
  blobs: BlobStore,
): EventMap['TaskSubmitted'] | Promise<EventMap['TaskSubmitted']> {
  return isReference(task.recording) ? bringRecording(task, task.recording, blobs) : task
}

async function bringRecording(
  task: EventMap['TaskSubmitted'],
  reference: Reference,
  blobs: BlobStore,
): Promise<EventMap['TaskSubmitted']> {
  const what = 'TaskSubmitted.recording'
  const stored = (await read(what, reference, blobs)) as { recordingOf?: unknown; recording?: Json } | null
  if (stored?.recordingOf === task.taskId && task.taskId !== null)
    return { ...task, recording: stored.recording ?? null }
  throw payloadMissing(what, `payload ${reference.$blob} is no recording for this task`)
}

/** The event with null in the place of each moved payload. */
export function withoutPayloads<T extends EventType>(type: T, data: EventMap[T]): EventMap[T] {
  const names = movedFields(type, data as unknown as Fields)
  if (names.length === 0) return data
  return { ...data, ...Object.fromEntries(names.map((name) => [name, null])) }
}

/** Whether a payload of the event was moved: else it is whole. */
export function refersToPayload<T extends EventType>(type: T, data: EventMap[T]): boolean {
  if (type === 'TaskSubmitted') return isReference((data as EventMap['TaskSubmitted']).recording)
  const fields = data as unknown as Fields
  return jsonFields.get(type)?.some((name) => isReference(fields[name])) ?? false
}

const movedFields = (type: EventType, fields: Fields): string[] =>
  (jsonFields.get(type) ?? []).filter((name) => isReference(fields[name]))

async function bringBack(
  type: string,
  data: Fields,
  names: readonly string[],
  blobs: BlobStore,
  gone: Gone,
): Promise<Fields> {
  const whole = { ...data }
  const payloads = names.map(async (name) => {
    try {
      whole[name] = await read(`${type}.${name}`, data[name] as Reference, blobs)
    } catch (error) {
      const isSpared = gone === 'null' || (gone === 'spare' && dispensable.has(`${type}.${name}`))
      if (!isSpared || !isMissingPayload(error)) throw error
      whole[name] = null
    }
  })
  await Promise.all(payloads)
  return whole
}

async function read(what: string, { $blob, bytes }: Reference, blobs: BlobStore): Promise<unknown> {
  const found = HASH.test($blob) ? await blobs.get($blob) : null
  if (!found) throw payloadMissing(what, `the blob store has no payload ${$blob} (${bytes} bytes)`)
  return parsePayload(what, $blob, found)
}

const HASH = /^[0-9a-f]{64}$/

export const isMissingPayload = (error: unknown): error is FlotillaError => hasCode(error, 'PAYLOAD_MISSING')

function payloadMissing(what: string, why: string): FlotillaError {
  return new FlotillaError('PAYLOAD_MISSING', `reading ${what}: ${why}`)
}

function parsePayload(what: string, hash: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(bufferOf(bytes).toString())
  } catch {
    throw payloadMissing(what, `payload ${hash} is not what was stored`)
  }
}

function sizeOfOthers(data: Fields, names: readonly string[]): number {
  const others = Object.fromEntries(Object.entries(data).filter(([name]) => !names.includes(name)))
  return Buffer.byteLength(JSON.stringify(others))
}

/** No less than the UTF-8 bytes of the value as JSON. Stops counting once it passes `enough`. */
function sizeAtMost(value: unknown, enough: number): number {
  if (typeof value === 'string') return stringSize(value, enough)
  if (typeof value !== 'object' || value === null) return 24
  if (value instanceof Uint8Array) return value.length
  let size = 2
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length && size <= enough; i++) size += 1 + sizeAtMost(value[i], enough - size)
    return size
  }
  for (const key in value) {
    if (size > enough) return size
    size += 4 + stringSize(key, enough) + sizeAtMost((value as Fields)[key], enough - size)
  }
  return size
}

/** A UTF-16 unit is at most 6 bytes of JSON (an escaped control character); counted only if that matters. */
function stringSize(text: string, enough: number): number {
  const most = 2 + 6 * text.length
  return most <= enough ? most : Buffer.byteLength(JSON.stringify(text))
}
