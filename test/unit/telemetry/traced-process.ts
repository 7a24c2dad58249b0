// One process of a fleet as far as its telemetry goes: handles the events given as JSON in argv[2] and prints the trace context
// that its last handling hands on. Run by tracing tests, here and against a real Jaeger.
import { readTracing } from '../../../runtime/config/environment/tracing.ts'
import { openTelemetry } from '../../../runtime/telemetry/open.ts'
import type { HandlingInput } from '../../../runtime/telemetry/instruments.ts'
import { samples } from '../../golden/samples.ts'

export interface TracedWork {
  readonly service: string
  readonly handlings: (Pick<HandlingInput, 'topic' | 'eventId' | 'eventType' | 'traceparent'> & {
    readonly end: 'committed' | 'dropped' | 'none'
    readonly sends: string[]
    readonly calls?: string[]
  })[]
  readonly taskId: string
  /** Ends the task: exports `invoke_agent`. */
  readonly completes?: boolean
}

const { service, handlings, taskId, completes } = JSON.parse(process.argv[2] ?? '') as TracedWork
const { tracing, mistakes } = readTracing(process.env)
if (mistakes.length > 0) throw new Error(mistakes.join('\n'))
const logLevel = process.env['LOG_LEVEL'] ?? 'silent'
const telemetry = openTelemetry({ tracing, logLevel, logFormat: 'json', raw: process.env }, service, {
  records: false,
})
let traceparent: string | null = null
for (const { end, sends, calls = [], ...told } of handlings) {
  const span = telemetry.instruments.handling({
    stage: service,
    lane: 1,
    key: taskId,
    atMs: Date.now(),
    ...told,
  })
  for (const callId of calls) {
    const call = { kind: 'tool', target: 'web_search', request: {}, timeoutMs: 1, idempotent: true }
    const startedMs = Date.now()
    span.call(call, callId).end({ ok: true, value: null, startedMs, endedMs: startedMs + 5, callId })
  }
  span.finished()
  if (end === 'committed') span.committed(sends.map((topic) => ({ topic, type: 'Any' })))
  if (end === 'dropped') span.dropped()
  traceparent = span.traceparent
}
if (completes) {
  const now = Date.now()
  const data = { ...samples.TaskCompleted, taskId, submittedAtMs: now - 3_600_000, completedAtMs: now }
  telemetry.instruments.committed({ type: 'TaskCompleted', data }, { stage: service, traceparent })
}
await telemetry.close()
console.log(traceparent)
