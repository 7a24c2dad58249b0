// Usage and results in numbers that add up, published as the stages publish them, and what the ledger must then hold.
import { createHash } from 'node:crypto'
import type { Codec } from '../../runtime/codec/port.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Log, OutgoingRecord } from '../../runtime/log/port.ts'
import type { Sql } from '../../runtime/store/sql.ts'
import type { EventMap } from '../../schemas/generated/events.ts'
import { headers, type TopicName } from '../../schemas/topics.ts'
import { completed, used } from '../unit/metering/events.ts'

export interface Books {
  calls: number
  inputTokens: number
  /** Millionths of a dollar: whole numbers, so that sums are exact. */
  microdollars: number
  tasks: number
}

const CALLS_A_TASK = 3
const PUBLISHED_AT_ONCE = 1_000

/** Tasks are named `<mark>-0`, `<mark>-1`, …. Each call has tokens and cost of its own. */
export async function publishBooks(log: Log, codec: Codec, mark: string, tasks: number): Promise<Books> {
  await codec.prepare()
  const books: Books = { calls: 0, inputTokens: 0, microdollars: 0, tasks: 0 }
  const records: OutgoingRecord[] = []
  const add = <T extends 'UsageRecorded' | 'TaskCompleted'>(topic: TopicName, type: T, data: EventMap[T]) => {
    const id = createHash('sha256').update(`${mark} ${records.length}`).digest('hex').slice(0, 32)
    const value = codec.encode(type, data, topic)
    const partition = homeOf(data.taskId, log.partitions)
    records.push({ topic, partition, key: data.taskId, value, headers: { [headers.eventId]: id } })
  }
  const atMs = Date.now()
  for (let task = 0; task < tasks; task++) {
    const taskId = `${mark}-${task}`
    for (let call = 0; call < CALLS_A_TASK; call++) {
      const inputTokens = 1 + ((task * 7 + call) % 1_000)
      const cost = (inputTokens * 5) / 1_000_000
      add('usage.recorded', 'UsageRecorded', used({ taskId, callId: `c${call}`, inputTokens, cost, atMs }))
      books.calls++
      books.inputTokens += inputTokens
      books.microdollars += inputTokens * 5
    }
    add('tasks.completed', 'TaskCompleted', completed({ taskId, completedAtMs: atMs }))
    books.tasks++
  }
  for (let from = 0; from < records.length; from += PUBLISHED_AT_ONCE)
    await log.publish(records.slice(from, from + PUBLISHED_AT_ONCE))
  return books
}

export async function booksOf(sql: Sql, mark: string): Promise<Books> {
  const mine = `${mark}-%`
  const usage = await sql
    .selectFrom('usage_ledger')
    .select(({ fn }) => [
      fn.countAll<number>().as('calls'),
      fn.sum<number>('input_tokens').as('tokens'),
      fn.sum<number>('cost').as('cost'),
    ])
    .where('task_id', 'like', mine)
    .executeTakeFirstOrThrow()
  const tasks = await sql
    .selectFrom('task_ledger')
    .select(({ fn }) => fn.countAll<number>().as('tasks'))
    .where('task_id', 'like', mine)
    .executeTakeFirstOrThrow()
  return {
    calls: Number(usage.calls),
    inputTokens: Number(usage.tokens),
    microdollars: Math.round(Number(usage.cost) * 1_000_000),
    tasks: Number(tasks.tasks),
  }
}
