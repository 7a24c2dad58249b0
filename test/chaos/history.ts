// Every record of the fleet's topics, as a read_committed reader sees it, into the evidence.
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Codec } from '../../runtime/codec/port.ts'
import type { Log } from '../../runtime/log/port.ts'
import type { TopicName } from '../../schemas/topics.ts'

/** tasks.streaming is outside transactions and promises nothing. */
const kept: readonly TopicName[] = [
  'tasks.submitted',
  'tasks.control',
  'tasks.admitted',
  'tasks.delegated',
  'tools.requested',
  'tools.completed',
  'code.requested',
  'code.completed',
  'tasks.completed',
  'tasks.history',
  'usage.recorded',
  'dead-letters',
]
const CHUNK = 500

/** Resolves with the task ids of tasks.completed, one for each record. */
export async function recordTopics(log: Log, codec: Codec, file: string): Promise<string[]> {
  const results: string[] = []
  await codec.prepare()
  const out = createWriteStream(file)
  for (const { topic, partition, earliest, next } of await log.ranges(kept))
    for (let from = earliest; from < next;) {
      const records = await log.read(topic, partition, from, CHUNK)
      if (records.length === 0) break
      for (const { value, offset, timestampMs } of records) {
        const decoded = await codec.decode(value ?? new Uint8Array(), topic)
        const { type, data } = decoded
        const row = { topic, partition, offset, timestampMs, type, data: readable(data) }
        if (decoded.type === 'TaskCompleted') results.push(decoded.data.taskId)
        if (!out.write(`${JSON.stringify(row)}\n`)) await once(out, 'drain')
      }
      from = (records.at(-1)?.offset ?? next) + 1
    }
  out.end()
  await once(out, 'close')
  return results
}

/** Bytes (of a dead letter) as text. */
const readable = (data: object): object =>
  Object.fromEntries(
    Object.entries(data).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
    ]),
  )
