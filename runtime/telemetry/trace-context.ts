// Ids of traces and spans. All derive from ids of events, calls and tasks, so that a second run makes the
// same ones.
import { hash } from 'node:crypto'

export interface SpanRef {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits. */
  readonly spanId: string
  readonly sampled: boolean
}

/** Which traces are kept. */
export interface Sampling {
  /** True: a trace that began elsewhere is kept if it was kept there. */
  readonly parentBased: boolean
  /** The share of all other traces, 0 to 1. */
  readonly ratio: number
}

export const sampleAll: Sampling = { parentBased: true, ratio: 1 }

/** Every process decides the same, by the id alone, so that a trace is kept whole. */
export function isSampled(
  traceId: string,
  sender: SpanRef | null,
  { parentBased, ratio }: Sampling,
): boolean {
  if (sender && parentBased) return sender.sampled
  // The end of an id is random (W3C trace context, level 2); 13 digits are exact in a number.
  return Number.parseInt(traceId.slice(-13), 16) / 2 ** 52 >= 1 - ratio
}

const PATTERN = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/

/** W3C trace context; null if it is absent or malformed (then we begin our own, as the standard says). */
export function parseTraceparent(text: string | null): SpanRef | null {
  const match = text === null ? null : PATTERN.exec(text)
  const [, traceId, spanId, flags] = match ?? []
  if (!traceId || !spanId || !flags || text?.startsWith('ff')) return null
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export const formatTraceparent = ({ traceId, spanId, sampled }: SpanRef): string =>
  `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`

/** The trace of a task that came without one. */
export const traceIdOfKey = (key: string): string => hash('sha256', `trace ${key}`, 'hex').slice(0, 32)

export const spanIdOf = (...parts: readonly string[]): string =>
  hash('sha256', parts.join('\n'), 'hex').slice(0, 16)

/** The span of a whole task, `invoke_agent {agent}`: the root of a trace that begins with us. */
export const taskSpanId = (taskId: string): string => spanIdOf('invoke_agent', taskId)
