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
