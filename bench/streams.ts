// npm run bench:streams [-- --streams 1000] [--seconds 10]: the cost of open streams of events on one gateway.
//
// A process of its own serves the gateway of an embedded fleet; this one opens the streams, each of a task of its
// own that waits for its model, and reads them. Memory and processor time are the server's: with no stream, with
// all of them idle, and while every task gets events and text; then how long all of them need to resume at once.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { percentile } from './measure.ts'

const { values } = parseArgs({
  options: { streams: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '10' } },
})
const STREAMS = Number(values.streams)
const SECONDS = Number(values.seconds)

const child = spawn(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--expose-gc',
    new URL('streams-server.ts', import.meta.url).pathname,
  ],
  { env: { PATH: process.env['PATH'], STREAMS: String(STREAMS) }, stdio: ['pipe', 'pipe', 'inherit'] },
)
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
const answer = async <T>(): Promise<T> => JSON.parse((await lines.next()).value as string) as T
const ask = async <T>(what: string): Promise<T> => {
  child.stdin.write(`${what}\n`)
  return answer<T>()
}

interface Usage {
  readonly rssMb: number
  readonly heapMb: number
  readonly cpuMs: number
}

/** One stream: what came, and where it is. */
function open(url: string, task: string, after: string | null) {
  const seen = { events: 0, lastId: after, delays: [] as number[] }
  const opened = Promise.withResolvers<void>()
  const headers = after === null ? {} : { 'last-event-id': after }
  const request = get(`${url}/v1/tasks/${task}/events`, { agent: false, headers }, (response) => {
    response.setEncoding('utf8').on('error', () => {})
    response.on('data', (chunk: string) => {
      opened.resolve()
      for (const line of chunk.split('\n')) {
        if (line.startsWith('event: ')) seen.events++
        if (line.startsWith('id: ')) seen.lastId = line.slice(4)
        const atMs = /^data: .*"callId":"(\d+)"/.exec(line)?.[1]
        if (atMs !== undefined) seen.delays.push(Date.now() - Number(atMs))
      }
    })
  })
  request.on('error', () => opened.resolve())
  return { seen, opened: opened.promise, close: () => request.destroy() }
}

async function allOpen(url: string, afters: readonly (string | null)[]) {
  const begunMs = performance.now()
  const streams = afters.map((after, index) => open(url, `bench-${index}`, after))
  await Promise.all(streams.map(({ opened }) => opened))
  return { streams, ms: performance.now() - begunMs }
}

const { url } = await answer<{ url: string }>()
const rows: string[] = []
let before = await ask<Usage>('usage')
const measure = async (name: string, seconds: number) => {
  const now = await ask<Usage>('usage')
  const share = ((now.cpuMs - before.cpuMs) / (seconds * 1_000)) * 100
  rows.push(`| ${name} | ${now.rssMb} | ${now.heapMb} | ${share.toFixed(1)} |`)
  before = now
}
await pause(SECONDS * 1_000)
await measure('no stream', SECONDS)
const first = await allOpen(
  url,
  Array.from({ length: STREAMS }, () => null),
)
await pause(2_000)
before = await ask<Usage>('usage')
await pause(SECONDS * 1_000)
await measure(`${STREAMS} idle streams`, SECONDS)
const { records } = await ask<{ records: number }>(`busy ${SECONDS}`)
await pause(1_000)
await measure(`${STREAMS} streams, ${(records / SECONDS).toFixed(0)} events/s`, SECONDS + 1)
const delays = first.streams.flatMap(({ seen }) => seen.delays)
const came = first.streams.reduce((sum, { seen }) => sum + seen.events, 0)
for (const { close } of first.streams) close()
await pause(1_000)
const again = await allOpen(
  url,
  first.streams.map(({ seen }) => seen.lastId),
)
console.log('| server | RSS MB | heap MB | processor % of one core |\n|---|---|---|---|')
console.log(rows.join('\n'))
console.log(
  `\nopened all of them within ${first.ms.toFixed(0)} ms, and resumed within ${again.ms.toFixed(0)} ms`,
)
console.log(
  `${came} events came; from their record to the reader: p50 ${percentile(delays, 0.5)} ms, p99 ${percentile(delays, 0.99)} ms`,
)
for (const { close } of again.streams) close()
child.stdin.end()
await once(child, 'exit')
