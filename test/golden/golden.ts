// Golden bytes: what each released schema version wrote once, and what every later version must read from it.
// `node test/golden/golden.ts` records those that are missing; it never changes one.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { createCodec } from '../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../runtime/codec/embedded-registry.ts'
import { releasedFiles } from '../../schemas/generate.ts'
import { fileOfName } from '../../schemas/generator/sources.ts'
import { topics, type TopicName } from '../../schemas/topics.ts'
import type { EventType } from '../../schemas/generated/events.ts'
import { samples } from './samples.ts'

export interface Golden {
  readonly file: string
  readonly type: EventType
  /** The whole record value. */
  readonly value: Buffer
  /** What it held, as the version that wrote it saw it. */
  readonly data: unknown
}

/** Plain JSON of an event; bytes as hex. */
export const asJson = (data: object): unknown =>
  JSON.parse(
    JSON.stringify(data, (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ),
  )

export const topicOf = (type: EventType): TopicName => {
  const topic = topics.find(({ events }) => events.includes(type))
  if (!topic) throw new Error(`no topic carries ${type}`)
  return topic.name
}

export const goldenFile = (name: string, version: number): string => `${fileOfName(name)}.${version}.json`

export function readGolden(): Golden[] {
  return readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.json'))
    .map((file) => {
      const text = readFileSync(join(import.meta.dirname, file), 'utf8')
      const { type, value, data } = JSON.parse(text) as { type: EventType; value: string; data: unknown }
      return { file, type, value: Buffer.from(value, 'hex'), data }
    })
}

async function recordMissing(): Promise<void> {
  const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'flotilla' })
  await codec.prepare()
  const latest = new Map(releasedFiles().map(({ name, version }) => [name as EventType, version]))
  for (const [type, version] of latest) {
    const path = join(import.meta.dirname, goldenFile(type, version))
    if (existsSync(path)) continue
    const value = Buffer.from(codec.encode(type, samples[type] as never, topicOf(type))).toString('hex')
    const text = JSON.stringify({ type, value, data: asJson(samples[type]) })
    writeFileSync(path, await format(text, { ...(await resolveConfig(path)), parser: 'json' }))
    console.log(`recorded ${path}`)
  }
}

if (import.meta.main) await recordMissing()
