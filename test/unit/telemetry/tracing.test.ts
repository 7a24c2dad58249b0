import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startSink, type SinkSpan } from './sink.ts'
import type { TracedWork } from './traced-process.ts'

const program = join(import.meta.dirname, 'traced-process.ts')

async function run(endpoint: string, work: TracedWork): Promise<string> {
  const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_TIMEOUT: '1000' }
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(work)], { env })
  return stdout.trim()
}

const routed = {
  topic: 'tasks.submitted',
  eventId: 'e-1',
  eventType: 'TaskSubmitted',
  traceparent: null,
  sends: ['tasks.admitted'],
}

test('a task is one tree over several processes, and what was not committed is not in it', async (t) => {
  const sink = await startSink()
  t.after(() => sink.close())
  const uncommitted = { ...routed, end: 'none' as const }
  await run(sink.url, {
    service: 'router',
    taskId: 't-1',
    handlings: [uncommitted, { ...routed, end: 'dropped' }],
  })
  assert.deepEqual(sink.spans, [])

  const handedOn = await run(sink.url, {
    service: 'router',
    taskId: 't-1',
    handlings: [{ ...routed, end: 'committed' }],
  })
  const admitted = {
    topic: 'tasks.admitted',
    eventId: 'e-2',
    eventType: 'TaskAdmitted',
    traceparent: handedOn,
  }
  const planned = { ...admitted, sends: [], calls: ['c-1'], end: 'committed' as const }
  await run(sink.url, { service: 'planner', taskId: 't-1', handlings: [planned], completes: true })

  assert.deepEqual([...sink.paths], ['/v1/traces'])
  const named = (name: string): SinkSpan => {
    const found = sink.spans.filter((span) => span.name === name)
    assert.equal(found.length, 1, name)
    return found[0] as SinkSpan
  }
  const root = named('invoke_agent researcher')
  const router = named('process tasks.submitted')
  const planner = named('process tasks.admitted')
  assert.equal(root.parentSpanId || undefined, undefined)
  assert.equal(router.parentSpanId, root.spanId)
  assert.equal(planner.parentSpanId, router.spanId)
  assert.equal(planner.links?.[0]?.spanId, router.spanId)
  assert.equal(named('send tasks.admitted').parentSpanId, router.spanId)
  assert.equal(named('execute_tool web_search').parentSpanId, planner.spanId)
  assert.equal(new Set(sink.spans.map(({ traceId }) => traceId)).size, 1)
  assert.equal(sink.spans.length, 5)
  assert.deepEqual([router.service, planner.service], ['flotilla-router', 'flotilla-planner'])
  assert.equal(handedOn, `00-${router.traceId}-${router.spanId}-01`)
  // Began an hour ago, long before this process: its start must not be taken for a time since the process began.
  assert.equal(Math.round((Number(root.endTimeUnixNano) - Number(root.startTimeUnixNano)) / 1e9), 3600)
  assert.equal(root.status.code, 2)
})

test('a collector that is not there costs nothing but the spans', async () => {
  const handedOn = await run('http://127.0.0.1:1', {
    service: 'router',
    taskId: 't-1',
    handlings: [{ ...routed, end: 'committed' }],
  })
  assert.match(handedOn, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
})
