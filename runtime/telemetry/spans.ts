// Spans as data: of handlings, their calls and sends, and of whole tasks. tracing.ts exports them.
import type { TaskCompleted } from '../../schemas/generated/events.ts'
import { topics } from '../../schemas/topics.ts'
import type { Call, CallOutcome } from '../stage.ts'
import type {
  CallSpan,
  CommittedContext,
  HandlingInput,
  HandlingSpan,
  SendInput,
  SendSpan,
  SentRecord,
} from './instruments.ts'
import { untracedHandling } from './instruments.ts'
import { callContent, taskContent, type ContentLimits } from './content.ts'
import { fieldOf, given, general, genAi, messaging, operations, ours, type Attributes } from './names.ts'
import { scoreSpan } from './score-span.ts'
import {
  formatTraceparent,
  isSampled,
  parseTraceparent,
  sampleAll,
  spanIdOf,
  taskSpanId,
  traceIdOfKey,
  type Sampling,
  type SpanRef,
} from './trace-context.ts'

export interface SpanData {
  readonly name: string
  readonly kind: 'internal' | 'client' | 'producer' | 'consumer'
  readonly self: SpanRef
  readonly parent: SpanRef | null
  readonly links: readonly SpanRef[]
  /** Epoch milliseconds, with fractions. */
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Attributes
  /** The error; null when there was none. */
  readonly error: string | null
  readonly events?: readonly SpanEvent[]
}

export interface SpanEvent {
  readonly name: string
  readonly atMs: number
  readonly attributes: Attributes
}

export interface SpanOptions {
  readonly sampling?: Sampling
  /** Null, or absent: no content on spans. */
  readonly content?: ContentLimits | null
  /** Whether a model's name may be in a span's name; others are `unknown` there. Default: every one. */
  readonly isModel?: (name: string) => boolean
  readonly isAgent?: (name: string) => boolean
  readonly agentVersion?: (agent: string) => string | undefined
}

export type EmitSpan = (span: SpanData) => void

const nowMs = (): number => performance.timeOrigin + performance.now()

const taskTopics = new Set<string>(
  topics.filter(({ key }) => key.startsWith('task id')).map(({ name }) => name),
)

/** Trace of a record without trace context: a task is one trace; anything else begins its own. */
function contextOf(
  input: { topic: string; key: string; eventId: string; traceparent: string | null },
  sampling: Sampling = sampleAll,
): { traceId: string; sampled: boolean; sender: SpanRef | null } {
  const sender = parseTraceparent(input.traceparent)
  const traceId = sender?.traceId ?? traceIdOfKey(taskTopics.has(input.topic) ? input.key : input.eventId)
  return { traceId, sampled: isSampled(traceId, sender, sampling), sender }
}

/** Parent of a task whose trace begins with us: the span of the whole task, exported when it ends. */
const rootOf = (topic: string, key: string, traceId: string): SpanRef | null =>
  topic === 'tasks.submitted' ? { traceId, spanId: taskSpanId(key), sampled: true } : null

const anyName = (): boolean => true

export function startHandling(
  input: HandlingInput,
  emit: EmitSpan,
  { sampling = sampleAll, content = null, isModel = anyName }: SpanOptions = {},
): HandlingSpan {
  const { traceId, sampled, sender } = contextOf(input, sampling)
  if (!sampled) return untracedHandling(input.traceparent)
  const self: SpanRef = { traceId, spanId: spanIdOf('process', input.stage, input.eventId), sampled }
  const startMs = nowMs()
  const calls: (() => SpanData)[] = []
  let endMs: number | null = null
  return {
    traceparent: formatTraceparent(self),
    traceId,
    call: (call, callId) =>
      startCall(call, callId, self, input, (span, outcome) =>
        // Content is made after the commit, which nobody then waits for.
        calls.push(() => ({
          ...span,
          name: callName(call, isModel),
          attributes: content
            ? { ...span.attributes, ...callContent(call, outcome, content) }
            : span.attributes,
        })),
      ),
    finished: () => {
      endMs ??= nowMs()
    },
    committed: (sent = []) => {
      emit({
        name: `process ${input.topic}`,
        kind: 'consumer',
        self,
        parent: sender ?? rootOf(input.topic, input.key, traceId),
        links: sender ? [sender] : [],
        startMs,
        endMs: endMs ?? nowMs(),
        attributes: handlingAttributes(input, startMs),
        error: null,
      })
      for (const call of calls) emit(call())
      const score = scoreSpan(input, { traceId, sampled }, content)
      if (score) emit(score)
      sendSpans(sent, self, endMs ?? nowMs()).forEach(emit)
    },
    dropped: () => {},
  }
}

function handlingAttributes(input: HandlingInput, startMs: number): Attributes {
  return {
    [messaging.system]: 'kafka',
    [messaging.operation]: 'process',
    [messaging.operationType]: 'process',
    [messaging.destination]: input.topic,
    [messaging.partition]: String(input.lane),
    [messaging.group]: input.stage,
    [messaging.messageId]: input.eventId,
    [messaging.key]: input.key,
    [ours.stage]: input.stage,
    [ours.eventType]: input.eventType,
    [ours.queueMs]: Math.max(0, Math.round(startMs - input.atMs)),
  }
}

/** One span per topic, from the end of the work to the end of the commit. */
function sendSpans(sent: readonly SentRecord[], parent: SpanRef, startMs: number): SpanData[] {
  const byTopic = Map.groupBy(sent, ({ topic }) => topic)
  return [...byTopic].map(([topic, records]) => ({
    name: `send ${topic}`,
    kind: 'producer',
    self: { ...parent, spanId: spanIdOf('send', parent.spanId, topic) },
    parent,
    links: [],
    startMs,
    endMs: nowMs(),
    attributes: {
      ...sendAttributes(topic),
      [messaging.batchSize]: records.length,
      [ours.eventType]: [...new Set(records.map(({ type }) => type))].join(' '),
    },
    error: null,
  }))
}

const sendAttributes = (topic: string): Attributes => ({
  [messaging.system]: 'kafka',
  [messaging.operation]: 'send',
  [messaging.operationType]: 'send',
  [messaging.destination]: topic,
})

export function startSend(input: SendInput, emit: EmitSpan, sampling: Sampling = sampleAll): SendSpan {
  const { traceId, sampled, sender } = contextOf(input, sampling)
  if (!sampled) return { traceparent: input.traceparent, end: () => {} }
  const self: SpanRef = { traceId, spanId: spanIdOf('send', input.service, input.eventId), sampled }
  const startMs = nowMs()
  const end = (error?: Error): void =>
    emit({
      name: `send ${input.topic}`,
      kind: 'producer',
      self,
      parent: sender ?? rootOf(input.topic, input.key, traceId),
      links: [],
      startMs,
      endMs: nowMs(),
      attributes: {
        ...sendAttributes(input.topic),
        [messaging.messageId]: input.eventId,
        [messaging.key]: input.key,
        [ours.eventType]: input.eventType,
      },
      error: error?.message ?? null,
    })
  return { traceparent: formatTraceparent(self), end }
}

function startCall(
  call: Call,
  callId: string,
  parent: SpanRef,
  input: HandlingInput,
  keep: (span: SpanData, outcome: CallOutcome) => void,
): CallSpan {
  const self: SpanRef = { ...parent, spanId: spanIdOf('call', callId) }
  return {
    traceparent: formatTraceparent(self),
    end: (outcome) => {
      const span: SpanData = {
        name: call.kind,
        kind: 'client',
        self,
        parent,
        links: [],
        startMs: outcome.startedMs,
        endMs: outcome.endedMs,
        attributes: { ...callAttributes(call, callId, input), ...outcomeAttributes(outcome) },
        error: outcome.ok ? null : outcome.failure.message,
      }
      keep(span, outcome)
    },
  }
}

function callName(call: Call, isModel: (name: string) => boolean): string {
  const model = modelOf(call)
  const shown = model === null ? call.target : isModel(model) ? model : 'unknown'
  if (call.kind === 'model') return `${operations.chat} ${shown}`
  return call.kind === 'tool' ? `${operations.tool} ${call.target}` : `${call.kind} ${call.target}`
}

function modelOf(call: Call): string | null {
  const model = fieldOf(call.request, 'model')
  return typeof model === 'string' ? model : null
}

function callAttributes(call: Call, callId: string, { key, stage }: HandlingInput): Attributes {
  const shared = { [ours.task]: key, [ours.stage]: stage, [ours.call]: callId, [ours.callKind]: call.kind }
  if (call.kind === 'tool') {
    const { tool, toolCall, toolType, operation } = genAi
    return {
      ...shared,
      [operation]: operations.tool,
      [tool]: call.target,
      [toolCall]: callId,
      [toolType]: 'function',
    }
  }
  if (call.kind !== 'model') return shared
  return {
    ...shared,
    [genAi.operation]: operations.chat,
    [genAi.provider]: call.target,
    ...given(genAi.requestModel, modelOf(call)),
    ...given(genAi.temperature, fieldOf(call.request, 'temperature')),
    ...given(genAi.maxTokens, fieldOf(call.request, 'maxOutputTokens')),
    // The convention omits it if the answer is not streamed.
    ...(fieldOf(call.request, 'stream') === true ? { [genAi.stream]: true } : {}),
  }
}

function outcomeAttributes(outcome: CallOutcome): Attributes {
  const reported = outcome.ok ? outcome.value : outcome.failure.details
  const finish = fieldOf(reported, 'finishReason')
  return {
    ...(outcome.ok ? {} : { [general.errorType]: outcome.failure.code }),
    ...given(genAi.inputTokens, fieldOf(reported, 'inputTokens')),
    ...given(genAi.outputTokens, fieldOf(reported, 'outputTokens')),
    ...given(genAi.responseModel, fieldOf(reported, 'model')),
    ...(typeof finish === 'string' ? { [genAi.finishReasons]: [finish] } : {}),
  }
}

/**
 * `invoke_agent {agent}`, from submission to completion: the root if the trace began with us, else a child of
 * the submitter's span.
 */
export function taskSpan(
  task: TaskCompleted,
  { traceparent }: CommittedContext,
  { isAgent = anyName, agentVersion, content = null }: SpanOptions = {},
): SpanData | null {
  const handling = parseTraceparent(traceparent)
  if (!handling?.sampled) return null
  const isOurTrace = handling.traceId === traceIdOfKey(task.taskId)
  return {
    name: `${operations.agent} ${task.agent !== null && isAgent(task.agent) ? task.agent : 'unknown'}`,
    kind: 'internal',
    self: { ...handling, spanId: taskSpanId(task.taskId) },
    parent: isOurTrace ? null : handling,
    links: [],
    startMs: task.submittedAtMs,
    endMs: Math.max(task.submittedAtMs, task.completedAtMs),
    attributes: {
      ...taskAttributes(task),
      ...given(genAi.agentVersion, task.agent === null ? null : agentVersion?.(task.agent)),
      ...(content ? taskContent(task.text, task.output, content) : {}),
    },
    error: task.error?.message ?? null,
  }
}

function taskAttributes(task: TaskCompleted): Attributes {
  return {
    [genAi.operation]: operations.agent,
    [ours.task]: task.taskId,
    [ours.status]: task.status,
    [genAi.inputTokens]: task.usage.inputTokens,
    [genAi.outputTokens]: task.usage.outputTokens,
    [ours.cost]: task.usage.cost,
    [ours.steps]: Array.isArray(task.steps) ? task.steps.length : 0,
    ...given(genAi.agent, task.agent),
    ...given(genAi.requestModel, task.model),
    ...given(genAi.conversation, task.sessionId),
    ...given(general.userId, task.userId),
    ...given(ours.profile, task.profile),
    ...given(general.errorType, task.error?.code),
  }
}
