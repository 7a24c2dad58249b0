// Instruments of the host: it reports its work, and gets trace context for records, timers and calls.
//
// 1. Ids of spans derive from event and call ids, so a second run of a handling makes the same spans.
// 2. A handling's spans are exported after its commit and only then: work that was not committed leaves no
//    trace.
// 3. No method throws, and none waits for a network. With everything off, a handling costs one object at
//    most.
import type { Decoded } from '../codec/port.ts'
import type { Call, CallOutcome } from '../stage.ts'
import type { Log } from './logging.ts'
import type {
  CounterLabels,
  CounterName,
  DistributionLabels,
  DistributionName,
  GaugeLabels,
  GaugeName,
  HistogramLabels,
  HistogramName,
} from './metrics-table.ts'

export type { Log } from './logging.ts'

export interface HandlingInput {
  readonly stage: string
  readonly lane: number
  /** Logical topic; for a timer, `timer`. */
  readonly topic: string
  readonly eventId: string
  readonly eventType: string
  /** Task id on task topics: without a traceparent, the trace id derives from it: a task is one trace. */
  readonly key: string
  readonly traceparent: string | null
  /** The record's timestamp. Epoch milliseconds. */
  readonly atMs: number
  /** Data of an event that came as a record: a score has a span of its own. */
  readonly data?: unknown
}

export interface SentRecord {
  readonly topic: string
  /** The event's type. */
  readonly type: string
}

export interface CallSpan {
  /** W3C trace context to send along with the call. */
  readonly traceparent: string | null
  end(outcome: CallOutcome): void
}

export interface HandlingSpan {
  /** Goes into the headers of every record and timer row that this handling produces. */
  readonly traceparent: string | null
  /** 32 hex digits: `EventMeta.traceId`. */
  readonly traceId: string | null
  /** Child span `chat {model}`, `execute_tool {tool}`, …. */
  call(call: Call, callId: string): CallSpan
  /** The work is done; the commit follows. Optional: without it the span ends at `committed`. */
  finished(): void
  /** Exports the span. `sent`: the records that the commit produced (spans `send {topic}`). */
  committed(sent?: readonly SentRecord[]): void
  /** Ended without a commit (lane lost): exports nothing. */
  dropped(): void
}

export interface SendInput {
  readonly service: string
  readonly topic: string
  readonly eventId: string
  readonly eventType: string
  readonly key: string
  /** The caller's own trace context, which then is the parent. */
  readonly traceparent: string | null
}

export interface SendSpan {
  readonly traceparent: string | null
  end(error?: Error): void
}

export interface CommittedContext {
  readonly stage: string
  /** Trace context of the handling that produced the event. */
  readonly traceparent: string | null
}

export interface Instruments {
  /** Starts the span `process {topic}`: child of the sender's span, and linked to it. */
  handling(input: HandlingInput): HandlingSpan
  /** Span `send {topic}` of a record published outside any handling (gateway, client). */
  sending(input: SendInput): SendSpan
  count<N extends CounterName>(name: N, n?: number, labels?: CounterLabels<N>): void
  gauge<N extends GaugeName>(name: N, value: number, labels?: GaugeLabels<N>): void
  /** Replaces every series of a gauge: those not given are removed. */
  gauges<N extends GaugeName>(name: N, series: readonly { labels: GaugeLabels<N>; value: number }[]): void
  observe<N extends HistogramName>(name: N, seconds: number, labels?: HistogramLabels<N>): void
  record<N extends DistributionName>(name: N, value: number, labels?: DistributionLabels<N>): void
  /**
   * For each event that a commit produced, after it: logs agent_execution and tool_execution, counts tasks,
   * tools, tokens and cost, and exports the span `invoke_agent {agent}` of a finished task.
   */
  committed(event: Decoded, context: CommittedContext): void
  readonly log: Log
}

const quietCall: CallSpan = { traceparent: null, end: () => {} }
const quietSend: SendSpan = { traceparent: null, end: () => {} }

/** W3C trace context `00-<trace id>-<span id>-<flags>`: the trace id, or null if it is malformed. */
export function traceIdOf(traceparent: string | null): string | null {
  const match =
    traceparent === null ? null : /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(traceparent)
  return match?.[1] ?? null
}

const ignore = (): void => {}
const quietHandling: HandlingSpan = {
  traceparent: null,
  traceId: null,
  call: () => quietCall,
  finished: ignore,
  committed: ignore,
  dropped: ignore,
}

/** A handling that is not traced here passes the sender's context on, so that the trace continues. */
export function untracedHandling(traceparent: string | null): HandlingSpan {
  if (traceparent === null) return quietHandling
  const call = () => ({ traceparent, end: ignore })
  return { ...quietHandling, traceparent, traceId: traceIdOf(traceparent), call }
}

/** Instruments that do nothing: for tests, the simulator and programs with their own telemetry. */
export const quietInstruments: Instruments = {
  handling: ({ traceparent }) => untracedHandling(traceparent),
  sending: ({ traceparent }) => (traceparent === null ? quietSend : { traceparent, end: ignore }),
  count: ignore,
  gauge: ignore,
  gauges: ignore,
  observe: ignore,
  record: ignore,
  committed: ignore,
  log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
}
