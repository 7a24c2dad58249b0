// The evidence of a chaos run: files in one directory, one JSON object a line. Whoever judges reads nothing else.
import {
  appendFileSync,
  createReadStream,
  createWriteStream,
  existsSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import type { EventMap, EventType } from '../../schemas/generated/events.ts'

export interface EvidenceFiles {
  /** Calls at the model server, by itself (LoggedCall). */
  readonly model: string
  /** Calls at the tool server, by itself (ToolEvent). */
  readonly tools: string
  /** What the fleet's clients were told (ClientEvent). */
  readonly clients: string
  /** What was done to the fleet (Happening). */
  readonly happenings: string
  /** Every committed record of the topics, read at the end (TopicRecord). */
  readonly topics: string
  /** Commits of lanes as another process saw them come (SeenCommit). */
  readonly commits: string
}

export const evidenceIn = (directory: string): EvidenceFiles => ({
  model: join(directory, 'model.jsonl'),
  tools: join(directory, 'tools.jsonl'),
  clients: join(directory, 'clients.jsonl'),
  happenings: join(directory, 'happenings.jsonl'),
  topics: join(directory, 'topics.jsonl'),
  commits: join(directory, 'commits.jsonl'),
})

/** `submitted`: the submission was acknowledged. `cancelled`: the cancel was. */
export interface ClientEvent {
  readonly event: 'submitted' | 'cancelled'
  readonly taskId: string
  readonly atMs: number
}

/** Something done to the fleet, from its begin until it was over. `untilMs`: gone, up again, ready or drained. */
export interface Happening {
  readonly what: 'phase' | 'kill' | 'broker' | 'redis' | 'added' | 'removed'
  /** Service, phase, or number of the broker. */
  readonly name: string
  readonly atMs: number
  /** Of a kill: when the process was gone; until then its connections stood, and answers went to nobody. */
  readonly goneMs: number
  readonly untilMs: number
}

type Payload = { [T in EventType]: { readonly type: T; readonly data: EventMap[T] } }[EventType]
export type TopicRecord = Payload & {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
}

export interface SeenCommit {
  readonly stage: string
  readonly lane: number
  readonly offset: number
  readonly opening: boolean
  /** When the reader got it. */
  readonly seenMs: number
}

export const note = (file: string, row: ClientEvent | Happening | SeenCommit): void =>
  appendFileSync(file, `${JSON.stringify(row)}\n`)

/** Empty files where former evidence may lie, so that every one of them is there and none is of another run. */
export function begin(directory: string): EvidenceFiles {
  const files = evidenceIn(directory)
  for (const file of Object.values(files) as string[]) {
    rmSync(`${file}.gz`, { force: true })
    writeFileSync(file, '')
  }
  return files
}

/** Rows of a file, compressed or not. */
export async function* rowsOf<T>(file: string): AsyncGenerator<T> {
  const compressed = `${file}.gz`
  const raw = existsSync(file) ? createReadStream(file) : createReadStream(compressed).pipe(createGunzip())
  for await (const line of createInterface({ input: raw, crlfDelay: Number.POSITIVE_INFINITY }))
    if (line) yield JSON.parse(line) as T
}

export async function allRows<T>(file: string): Promise<T[]> {
  const rows: T[] = []
  for await (const row of rowsOf<T>(file)) rows.push(row)
  return rows
}

/** Replaces every file of the evidence by a compressed one. */
export async function compress(directory: string): Promise<void> {
  for (const file of Object.values(evidenceIn(directory)) as string[]) {
    if (!existsSync(file)) continue
    await pipeline(createReadStream(file), createGzip(), createWriteStream(`${file}.gz`))
    rmSync(file)
  }
}
