// Reads schemas/*.avsc. A file names shared records (`flotilla.Failure`); `flat` writes them out, each at its first use,
// so that every event registers alone.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RecordSchema } from '../record.ts'
import { topics } from '../topics.ts'

/** As it stands in a file: a type may be the full name of a shared record. */
interface SourceField {
  readonly name: string
  readonly type: unknown
}
export interface SourceRecord extends Omit<RecordSchema, 'fields'> {
  readonly fields: readonly SourceField[]
}

export interface Sources {
  /** Events, in the order of their topics. */
  readonly events: readonly RecordSchema[]
  /** Records that events share. */
  readonly shared: readonly RecordSchema[]
}

/** task-submitted.avsc → TaskSubmitted */
export const nameOfFile = (file: string): string =>
  file.replace(/\..*$/, '').replace(/(^|-)([a-z])/g, (_, __, letter: string) => letter.toUpperCase())

/** TaskSubmitted → task-submitted */
export const fileOfName = (name: string): string => name.replace(/(?<!^)([A-Z])/g, '-$1').toLowerCase()

export function readSources(directory: string): Sources {
  const records = readdirSync(directory)
    .filter((file) => file.endsWith('.avsc'))
    .sort()
    .map((file) => readRecord(join(directory, file), nameOfFile(file)))
  const used = new Set(records.flatMap((record) => record.fields.flatMap((field) => namesIn(field.type))))
  const byName = new Map(records.map((record) => [`${record.namespace}.${record.name}`, record]))
  const flat = records.map((record) => flatten(record, byName))
  const isShared = (record: RecordSchema) => used.has(`${record.namespace}.${record.name}`)
  const events = flat.filter((record) => !isShared(record)).sort((a, b) => topicRank(a) - topicRank(b))
  return { events, shared: flat.filter(isShared) }
}

function topicRank(record: RecordSchema): number {
  const rank = topics.findIndex((topic) => topic.events.some((event) => event === record.name))
  if (rank < 0) throw new Error(`${record.name} has a file in schemas/, but no topic in topics.ts carries it`)
  return rank
}

function readRecord(path: string, expectedName: string): SourceRecord {
  const record = JSON.parse(readFileSync(path, 'utf8')) as SourceRecord
  if (record.name !== expectedName)
    throw new Error(`${path} should define ${expectedName}, not ${record.name}`)
  return record
}

const namesIn = (type: unknown): string[] =>
  Array.isArray(type) ? type.flatMap(namesIn) : typeof type === 'string' && type.includes('.') ? [type] : []

function flatten(record: SourceRecord, byName: ReadonlyMap<string, SourceRecord>): RecordSchema {
  const written = new Set<string>()
  const resolve = (type: unknown): unknown => {
    if (Array.isArray(type)) return type.map(resolve)
    if (typeof type !== 'string' || !type.includes('.') || written.has(type)) return type
    const shared = byName.get(type)
    if (!shared) throw new Error(`${record.name} uses ${type}, but no file in schemas/ defines it`)
    written.add(type)
    return shared
  }
  const fields = record.fields.map((field) => ({ ...field, type: resolve(field.type) }))
  return { ...record, fields: fields as unknown as RecordSchema['fields'] }
}
