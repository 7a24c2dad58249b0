// All names from telemetry conventions, in one place, because the GenAI convention is still moving.
//
// 1. New names are always written. If a convention was renamed, the old name is written too when
//    FLOTILLA_OLD_TELEMETRY_NAMES=1.
// 2. Names outside the conventions begin with `flotilla.`.

export type Attributes = Record<string, string | number | boolean | string[]>

/** A field of foreign data, such as a call's request; undefined if there is none. */
export const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined

/** One attribute; none if the value is neither text nor number. */
export const given = (name: string, value: unknown): Attributes =>
  typeof value === 'string' || typeof value === 'number' ? { [name]: value } : {}

/** GenAI semantic conventions, as attributes of spans. */
export const genAi = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  responseModel: 'gen_ai.response.model',
  temperature: 'gen_ai.request.temperature',
  maxTokens: 'gen_ai.request.max_tokens',
  stream: 'gen_ai.request.stream',
  finishReasons: 'gen_ai.response.finish_reasons',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  agent: 'gen_ai.agent.name',
  agentVersion: 'gen_ai.agent.version',
  conversation: 'gen_ai.conversation.id',
  tool: 'gen_ai.tool.name',
  toolCall: 'gen_ai.tool.call.id',
  toolType: 'gen_ai.tool.type',
  // Content: only where it is captured.
  inputMessages: 'gen_ai.input.messages',
  outputMessages: 'gen_ai.output.messages',
  systemInstructions: 'gen_ai.system_instructions',
  toolDefinitions: 'gen_ai.tool.definitions',
  toolArguments: 'gen_ai.tool.call.arguments',
  toolResult: 'gen_ai.tool.call.result',
} as const

/** The convention's event for a score, and its attributes. */
export const evaluation = {
  event: 'gen_ai.evaluation.result',
  name: 'gen_ai.evaluation.name',
  score: 'gen_ai.evaluation.score.value',
  explanation: 'gen_ai.evaluation.explanation',
} as const

export const operations = { chat: 'chat', tool: 'execute_tool', agent: 'invoke_agent' } as const

/** Messaging semantic conventions. */
export const messaging = {
  system: 'messaging.system',
  operation: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destination: 'messaging.destination.name',
  partition: 'messaging.destination.partition.id',
  group: 'messaging.consumer.group.name',
  messageId: 'messaging.message.id',
  key: 'messaging.kafka.message.key',
  batchSize: 'messaging.batch.message_count',
} as const

/**
 * Set on the link to the sender, which is also the parent. Jaeger keeps one reference per pair of spans, and
 * without this it would keep the link and drop the parent.
 */
export const parentLink: Attributes = { 'opentracing.ref_type': 'child_of' }

export const general = { errorType: 'error.type', userId: 'user.id' } as const

export const ours = {
  task: 'flotilla.task.id',
  stage: 'flotilla.stage',
  eventType: 'flotilla.event.type',
  call: 'flotilla.call.id',
  callKind: 'flotilla.call.kind',
  queueMs: 'flotilla.queue_ms',
  status: 'flotilla.task.status',
  cost: 'flotilla.cost_usd',
  steps: 'flotilla.task.steps',
  profile: 'flotilla.profile',
} as const

/** Metrics of the GenAI convention. Prometheus writes dots as underscores. */
export const genAiMetrics = {
  duration: {
    name: 'gen_ai_client_inference_duration_seconds',
    old: 'gen_ai_client_operation_duration_seconds',
  },
  inputTokens: { name: 'gen_ai_client_inference_usage_input_tokens_total' },
  outputTokens: { name: 'gen_ai_client_inference_usage_output_tokens_total' },
  /** One histogram with the label gen_ai_token_type, before tokens became counters. */
  tokens: { old: 'gen_ai_client_token_usage' },
} as const

/** Renamed attributes: new name → old name. */
const oldAttributes: Readonly<Record<string, string>> = {
  [genAi.provider]: 'gen_ai.system',
  [genAi.inputTokens]: 'gen_ai.usage.prompt_tokens',
  [genAi.outputTokens]: 'gen_ai.usage.completion_tokens',
  [messaging.operation]: 'messaging.operation',
}

export const wantsOldNames = (environment: Readonly<Record<string, string | undefined>>): boolean =>
  environment['FLOTILLA_OLD_TELEMETRY_NAMES'] === '1'

/** The attributes with the old names beside the new ones. */
export function withOldNames(attributes: Attributes): Attributes {
  const both: Attributes = { ...attributes }
  for (const [name, value] of Object.entries(attributes)) {
    const old = oldAttributes[name]
    if (old) both[old] = value
  }
  return both
}
