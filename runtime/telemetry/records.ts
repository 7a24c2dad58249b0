// Reports committed events to people: the two promised log records, and the counts that dashboards show.
import type {
  CodeCompleted,
  TaskCompleted,
  ToolCompleted,
  UsageRecorded,
} from '../../schemas/generated/events.ts'
import type { Decoded } from '../codec/port.ts'
import type { CommittedContext } from './instruments.ts'
import type { Metrics } from './metrics.ts'
import { parseTraceparent } from './trace-context.ts'

const TEXT_LENGTH = 100

/** Fields of the log record `agent_execution`. Times in milliseconds. */
export function agentExecution(task: TaskCompleted, context: CommittedContext): Record<string, unknown> {
  const { usage, error } = task
  return {
    taskId: task.taskId,
    text: [...task.text.slice(0, 2 * TEXT_LENGTH)].slice(0, TEXT_LENGTH).join(''),
    agent: task.agent,
    model: task.model,
    userId: task.userId,
    success: task.status === 'succeeded',
    status: task.status,
    steps: Array.isArray(task.steps) ? task.steps.length : 0,
    timeMs: task.executionTime,
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    cost: usage.cost,
    error,
    ...traceFields(context),
  }
}

/** Fields of the log record `tool_execution`. */
export function toolExecution(call: ToolCompleted, context: CommittedContext): Record<string, unknown> {
  return {
    taskId: call.taskId,
    callId: call.callId,
    tool: call.tool,
    timeMs: call.durationMs,
    success: call.status === 'succeeded',
    status: call.status,
    cached: call.cached,
    error: call.error,
    ...traceFields(context),
  }
}

/** Named by OpenTelemetry's convention for logs, so that log and trace can be joined. */
function traceFields({ traceparent }: CommittedContext): Record<string, unknown> {
  const span = parseTraceparent(traceparent)
  return { trace_id: span?.traceId ?? null, span_id: span?.spanId ?? null }
}

/** Names that a fleet has configured: the only ones that become labels, because anybody may submit others. */
export interface KnownNames {
  agent(name: string): boolean
  profile(name: string): boolean
  model(name: string): boolean
  provider(name: string): boolean
  tool(name: string): boolean
  rule(name: string): boolean
  channel(name: string): boolean
}

const UNKNOWN = 'unknown'

/** A label: the name if it is configured, `none` if there is none. */
function label(name: string | null, isKnown: (name: string) => boolean): string {
  if (name === null) return 'none'
  return isKnown(name) ? name : UNKNOWN
}

type Meter = Pick<Metrics, 'count' | 'observe' | 'record' | 'inference'>

export function measure({ type, data }: Decoded, meter: Meter, known: KnownNames): void {
  if (type === 'TaskCompleted') measureTask(data, meter, known)
  else if (type === 'ToolCompleted') measureTool(data, meter, known)
  else if (type === 'CodeCompleted') measureCode(data, meter)
  else if (type === 'UsageRecorded') measureUsage(data, meter, known)
  else if (type === 'AlertRaised')
    meter.count('alerts', 1, {
      rule: label(data.rule, known.rule),
      severity: data.severity,
      change: 'raised',
    })
  else if (type === 'AlertResolved')
    meter.count('alerts', 1, {
      rule: label(data.rule, known.rule),
      severity: undefined,
      change: 'resolved',
    })
  else if (type === 'NotificationEnded')
    meter.count('notifications', 1, { channel: label(data.channel, known.channel), status: data.status })
}

function measureTask(task: TaskCompleted, meter: Meter, known: KnownNames): void {
  const { status, error } = task
  const agent = label(task.agent, known.agent)
  const model = label(task.model, known.model)
  meter.count('tasks', 1, { status, agent, model, profile: label(task.profile, known.profile) })
  meter.observe('task', task.executionTime / 1000, { status, agent, model })
  meter.record('task_steps', Array.isArray(task.steps) ? task.steps.length : 0, { status, agent })
  if (error) meter.count('task_errors', 1, { code: error.code, severity: error.severity })
}

function measureTool(call: ToolCompleted, meter: Meter, known: KnownNames): void {
  const { status, cached, durationMs } = call
  const tool = label(call.tool, known.tool)
  meter.count('tool_runs', 1, { tool, status, cached: String(cached) })
  if (!cached) meter.observe('tool', durationMs / 1000, { tool, status })
}

function measureCode({ status, durationMs }: CodeCompleted, meter: Meter): void {
  meter.count('code_runs', 1, { status })
  meter.observe('code_run', durationMs / 1000, { status })
}

function measureUsage(usage: UsageRecorded, meter: Meter, known: KnownNames): void {
  const labels = { model: label(usage.model, known.model), agent: label(usage.agent, known.agent) }
  if (usage.cost > 0) meter.count('cost_usd', usage.cost, labels)
  if (usage.kind !== 'model') return
  meter.count('tokens', usage.inputTokens, { kind: 'input', ...labels })
  meter.count('tokens', usage.outputTokens, { kind: 'output', ...labels })
  const provider = label(usage.provider, known.provider)
  meter.inference({ ...usage, provider, model: labels.model })
}
