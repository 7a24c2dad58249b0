import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import type { FleetDefinition } from '../../../runtime/config/fleet.ts'
import { completeFleet } from '../../../runtime/config/load.ts'
import { knownNames } from '../../../runtime/telemetry/known-names.ts'
import { createMetrics } from '../../../runtime/telemetry/metrics.ts'
import { counters, distributions, gauges, histograms } from '../../../runtime/telemetry/metrics-table.ts'
import { agentExecution, measure, toolExecution } from '../../../runtime/telemetry/records.ts'
import { samples } from '../../golden/samples.ts'

const context = { stage: 'planner', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' }
const trace = { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', span_id: '00f067aa0ba902b7' }

test('agent_execution says what was promised', () => {
  const text = `${'🚢'.repeat(99)}ab`
  const record = agentExecution({ ...samples.TaskCompleted, text }, context)
  const { error } = samples.TaskCompleted
  assert.deepEqual(record, {
    taskId: 'task-1',
    text: `${'🚢'.repeat(99)}a`,
    agent: 'researcher',
    model: 'gpt-4o',
    userId: 'ana',
    success: false,
    status: 'timed_out',
    steps: 1,
    timeMs: 60_001,
    inputTokens: 3_000_000_000,
    outputTokens: 2,
    cost: 0.1,
    error,
    ...trace,
  })
})

test('tool_execution says what was promised', () => {
  const record = toolExecution({ ...samples.ToolCompleted, status: 'succeeded', error: null }, context)
  assert.deepEqual(record, {
    taskId: 'task-1',
    callId: 'c-1',
    tool: 'web_search',
    timeMs: 30_000,
    success: true,
    status: 'succeeded',
    cached: false,
    error: null,
    ...trace,
  })
  assert.equal(toolExecution(samples.ToolCompleted, { ...context, traceparent: null })['trace_id'], null)
})

const environment = readEnvironment({})
const names: FleetDefinition = {
  agents: { researcher: {} },
  tools: [defineTool({ name: 'web_search', description: 'x', input: { type: 'object' }, run: () => null })],
}
const known = knownNames(completeFleet(names, environment, 'test'))

test('names that nobody configured are one label, however many are submitted', async () => {
  const metrics = createMetrics({ oldNames: true })
  const { TaskCompleted, ToolCompleted, UsageRecorded, AlertRaised, NotificationEnded } = samples
  for (let n = 0; n < 50; n++) {
    const made = {
      agent: `bogus-${n}`,
      profile: `bogus-${n}`,
      model: `openai/bogus-${n}`,
      provider: `bogus-${n}`,
    }
    measure({ type: 'TaskCompleted', data: { ...TaskCompleted, ...made } }, metrics, known)
    measure({ type: 'UsageRecorded', data: { ...UsageRecorded, ...made } }, metrics, known)
    measure({ type: 'ToolCompleted', data: { ...ToolCompleted, tool: `bogus-${n}` } }, metrics, known)
    measure({ type: 'AlertRaised', data: { ...AlertRaised, rule: `bogus-${n}` } }, metrics, known)
    measure(
      { type: 'NotificationEnded', data: { ...NotificationEnded, channel: `bogus-${n}` } },
      metrics,
      known,
    )
  }
  const text = await metrics.text()
  assert.ok(!text.includes('bogus'))
  assert.match(
    text,
    /flotilla_tasks_total\{status="timed_out",agent="unknown",model="unknown",profile="unknown"\} 50/,
  )
  assert.match(text, /gen_ai_provider_name="unknown",gen_ai_request_model="unknown"\} /)
})

test('committed events become metrics', async () => {
  const metrics = createMetrics({ oldNames: false })
  const { TaskCompleted, ToolCompleted, CodeCompleted, UsageRecorded } = samples
  measure({ type: 'TaskCompleted', data: TaskCompleted }, metrics, known)
  measure({ type: 'ToolCompleted', data: ToolCompleted }, metrics, known)
  measure({ type: 'CodeCompleted', data: CodeCompleted }, metrics, known)
  measure({ type: 'UsageRecorded', data: UsageRecorded }, metrics, known)
  const text = await metrics.text()
  const expected = [
    'flotilla_tasks_total{status="timed_out",agent="researcher",model="gpt-4o",profile="accurate"} 1',
    'flotilla_task_errors_total{code="TOOL_TIMEOUT",severity="recoverable"} 1',
    'flotilla_task_seconds_sum{status="timed_out",agent="researcher",model="gpt-4o"} 60.001',
    'flotilla_tool_runs_total{tool="web_search",status="failed",cached="false"} 1',
    'flotilla_code_runs_total{status="finished"} 1',
    'flotilla_tokens_total{kind="input",model="gpt-4o",agent="researcher"} 1200',
    'flotilla_cost_usd_total{model="gpt-4o",agent="researcher"} 0.0072',
    'gen_ai_client_inference_usage_output_tokens_total{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt-4o"} 80',
    'gen_ai_client_inference_duration_seconds_count{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt-4o"} 1',
  ]
  for (const line of expected) assert.ok(text.includes(line), line)
  assert.ok(!text.includes('gen_ai_client_operation_duration'))
})

test('old metric names come beside the new ones on demand', async () => {
  const metrics = createMetrics({ oldNames: true })
  metrics.inference(samples.UsageRecorded)
  const text = await metrics.text()
  for (const name of [
    'gen_ai_client_operation_duration_seconds_count',
    'gen_ai_client_token_usage_sum',
    'gen_ai_client_inference_duration_seconds_count',
  ])
    assert.ok(text.includes(name), name)
})

test('every metric of the table is there, and no number makes measuring throw', async () => {
  const metrics = createMetrics({ oldNames: false })
  metrics.count('handlings', Number.NaN)
  metrics.count('commits', -1)
  metrics.gauge('lanes', Number.NaN)
  metrics.observe('call', Number.POSITIVE_INFINITY)
  metrics.count('commits', 2, { stage: 'router', result: 'committed' })
  metrics.gauge('breaker_state', 2, { stage: 'planner', breaker: 'openai' })
  const text = await metrics.text()
  for (const name of Object.keys(counters))
    assert.ok(text.includes(`# TYPE flotilla_${name}_total counter`), name)
  for (const name of Object.keys(gauges)) assert.ok(text.includes(`# TYPE flotilla_${name} gauge`), name)
  for (const name of Object.keys(histograms))
    assert.ok(text.includes(`# TYPE flotilla_${name}_seconds histogram`), name)
  for (const name of Object.keys(distributions))
    assert.ok(text.includes(`# TYPE flotilla_${name} histogram`), name)
  assert.ok(text.includes('flotilla_commits_total{stage="router",result="committed"} 2'))
  assert.ok(text.includes('flotilla_breaker_state{stage="planner",breaker="openai"} 2'))
})

function logged(level: string, records = true): Record<string, unknown>[] {
  const program = join(import.meta.dirname, 'logging-process.ts')
  const { stderr, stdout } = spawnSync(process.execPath, [program, level, String(records)], {
    encoding: 'utf8',
  })
  assert.equal(stdout, '')
  return stderr
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('the two records are written at the quiet default level, as JSON on standard error, and nothing else is', () => {
  const lines = logged('warn')
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['agent_execution', 'tool_execution', 'a warning'],
  )
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['info', 'info', 'warn'],
  )
  assert.ok(
    lines.every(
      ({ service, time }) => service === 'flotilla-test' && !Number.isNaN(Date.parse(String(time))),
    ),
  )
  assert.equal(lines[0]?.['trace_id'], trace.trace_id)
})

test('LOG_LEVEL error and `records: false` silence them; debug shows more', () => {
  assert.deepEqual(logged('error'), [])
  assert.deepEqual(
    logged('warn', false).map(({ msg }) => msg),
    ['a warning'],
  )
  assert.deepEqual(
    logged('debug').map(({ msg }) => msg),
    ['agent_execution', 'tool_execution', 'a detail', 'a warning'],
  )
})

test('a process that does not trace never loads OpenTelemetry', () => {
  const program = join(import.meta.dirname, 'logging-process.ts')
  const env = { ...process.env, OTEL_EXPORTER_OTLP_TIMEOUT: '300' }
  const loads = (how: string): string =>
    execFileSync(process.execPath, [program, 'silent', 'false', how], { encoding: 'utf8', env }).trim()
  assert.equal(loads('untraced'), 'false')
  assert.equal(loads('traced'), 'true')
})
