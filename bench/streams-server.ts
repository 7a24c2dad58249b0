// The server of bench/streams.ts: an embedded fleet whose tasks wait, and a writer of events.
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { homeOf } from '../runtime/log/home.ts'
import type { OutgoingRecord } from '../runtime/log/port.ts'
import { startTestFleet } from '../test/support/fleet.ts'

const STREAMS = Number(process.env['STREAMS'])
/** Every task gets one event and one piece of text in each round. */
const ROUND_MS = 1_000

const fleet = await startTestFleet({
  http: true,
  env: { FLOTILLA_MAX_STREAMS: '20000', FLOTILLA_MAX_STREAMS_PER_CLIENT: '20000' },
  definition: { limits: { queue: { inFlight: 1, waiting: 100_000, waitingPerUser: 100_000 } } },
})
const { log, codec } = fleet.process
for (let index = 0; index < STREAMS; index++)
  await fleet.client.submit({ text: 'wait latency=600000', taskId: `bench-${index}` })
await pause(3_000)
console.log(JSON.stringify({ url: fleet.process.url }))

for await (const line of createInterface({ input: process.stdin })) {
  const [what, seconds] = line.split(' ')
  console.log(JSON.stringify(what === 'usage' ? usage() : { records: await busy(Number(seconds)) }))
}
await fleet.stop()
process.exit(0)

function usage() {
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return {
    rssMb: Math.round(rss / 1e6),
    heapMb: Math.round(heapUsed / 1e6),
    cpuMs: Math.round((user + system) / 1_000),
  }
}

async function busy(seconds: number): Promise<number> {
  let records = 0
  for (let round = 0; round < seconds; round++) {
    const untilMs = performance.now() + ROUND_MS
    for (let index = 0; index < STREAMS; index += 50) {
      const tasks = Array.from({ length: Math.min(50, STREAMS - index) }, (_, at) => `bench-${index + at}`)
      await log.publish(tasks.flatMap((taskId) => recordsOf(taskId, round)))
      records += 2 * tasks.length
    }
    await pause(Math.max(0, untilMs - performance.now()))
  }
  return records
}

function recordsOf(taskId: string, round: number): OutgoingRecord[] {
  const atMs = Date.now()
  const partition = homeOf(taskId, log.partitions)
  const detail = { callId: String(atMs), tool: 'echo', status: 'succeeded', output: 'x'.repeat(100) }
  const progressed = { taskId, stage: 'tool-executor', kind: 'tool_called' as const, step: 1, atMs, detail }
  const text = { taskId, step: 1, sequence: round, text: 'a piece of the text of a model', attempt: 'a' }
  const record = { partition, key: taskId }
  return [
    {
      ...record,
      topic: 'tasks.history',
      value: codec.encode('TaskProgressed', progressed, 'tasks.history'),
      headers: { 'flotilla-schema': 'TaskProgressed' },
    },
    {
      ...record,
      topic: 'tasks.streaming',
      value: codec.encode('TokensStreamed', text, 'tasks.streaming'),
      headers: { 'flotilla-schema': 'TokensStreamed' },
    },
  ]
}
