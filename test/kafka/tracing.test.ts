// The trace of a task as a real Jaeger gives it back.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { traceIdOfKey } from '../../runtime/telemetry/trace-context.ts'
import type { TracedWork } from '../unit/telemetry/traced-process.ts'

interface JaegerSpan {
  readonly spanID: string
  readonly operationName: string
  readonly processID: string
  readonly references: { readonly refType: string; readonly spanID: string }[]
}
interface JaegerTrace {
  readonly spans: JaegerSpan[]
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>
}

const program = join(import.meta.dirname, '../unit/telemetry/traced-process.ts')
const LIMIT_MS = 120_000

function queryUrl(): string {
  const given = process.env['JAEGER_QUERY_URL']
  if (!given || !process.env['OTEL_EXPORTER_OTLP_ENDPOINT'])
    throw new Error('JAEGER_QUERY_URL and OTEL_EXPORTER_OTLP_ENDPOINT are not set: run npm run test:kafka')
  return given
}

async function run(work: TracedWork): Promise<string> {
  return (await promisify(execFile)(process.execPath, [program, JSON.stringify(work)])).stdout.trim()
}

async function traceOf(traceId: string, spans: number): Promise<JaegerTrace> {
  for (const end = Date.now() + LIMIT_MS; ; await wait(100)) {
    const response = await fetch(`${queryUrl()}/api/traces/${traceId}`)
    const { data } = (await response.json()) as { data: JaegerTrace[] | null }
    const trace = data?.[0]
    if (trace && trace.spans.length >= spans) return trace
    if (Date.now() > end)
      throw new Error(`Jaeger has ${trace?.spans.length ?? 0} of ${spans} spans of ${traceId}`)
  }
}

test('Jaeger shows a task as one tree over its services', async () => {
  const taskId = randomUUID()
  const submitted = {
    topic: 'tasks.submitted',
    eventId: `${taskId}-1`,
    eventType: 'TaskSubmitted',
    traceparent: null,
  }
  const routed = { ...submitted, end: 'committed' as const, sends: ['tasks.admitted'] }
  const traceparent = await run({ service: 'router', taskId, handlings: [routed] })
  const admitted = { topic: 'tasks.admitted', eventId: `${taskId}-2`, eventType: 'TaskAdmitted', traceparent }
  const planned = {
    ...admitted,
    end: 'committed' as const,
    sends: ['tasks.completed'],
    calls: [`${taskId}-call`],
  }
  await run({ service: 'planner', taskId, handlings: [planned], completes: true })

  const trace = await traceOf(traceIdOfKey(taskId), 6)
  assert.equal(trace.spans.length, 6)
  const byId = new Map(trace.spans.map((span) => [span.spanID, span]))
  const lines = trace.spans.map((span) => {
    const parent = span.references.find(({ refType }) => refType === 'CHILD_OF')
    const service = trace.processes[span.processID]?.serviceName
    return `${service}: ${span.operationName} < ${parent ? byId.get(parent.spanID)?.operationName : 'nothing'}`
  })
  assert.deepEqual(lines.sort(), [
    'flotilla-planner: execute_tool web_search < process tasks.admitted',
    'flotilla-planner: invoke_agent researcher < nothing',
    'flotilla-planner: process tasks.admitted < process tasks.submitted',
    'flotilla-planner: send tasks.completed < process tasks.admitted',
    'flotilla-router: process tasks.submitted < invoke_agent researcher',
    'flotilla-router: send tasks.admitted < process tasks.submitted',
  ])
})
