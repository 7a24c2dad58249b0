// Every record of tasks.completed, as a read_committed reader sees it.
import assert from 'node:assert/strict'
import type { Codec } from '../../runtime/codec/port.ts'
import type { Log } from '../../runtime/log/port.ts'

export async function completedOn(log: Log, codec: Codec) {
  const completed: { taskId: string; status: string }[] = []
  for (const { partition, earliest, next } of await log.ranges(['tasks.completed']))
    for (let from = earliest; from < next;) {
      const records = await log.read('tasks.completed', partition, from, 500)
      if (records.length === 0) break
      for (const { value } of records) {
        const { type, data } = await codec.decode(value ?? new Uint8Array(), 'tasks.completed')
        assert.equal(type, 'TaskCompleted')
        if ('status' in data && 'taskId' in data)
          completed.push({ taskId: String(data.taskId), status: String(data.status) })
      }
      from = (records.at(-1)?.offset ?? next) + 1
    }
  return completed
}
