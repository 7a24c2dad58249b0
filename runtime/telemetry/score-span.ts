// The span of a score: how good an evaluator or a user found a task's output, as the convention's event.
import type { HandlingInput } from './instruments.ts'
import { remark, type ContentLimits } from './content.ts'
import { evaluation, fieldOf, given, ours } from './names.ts'
import type { SpanData } from './spans.ts'
import { spanIdOf, taskSpanId, type SpanRef } from './trace-context.ts'

/** How the two kinds of scores are named where their sender gives no name. */
const scores: Readonly<Record<string, { name: string; field: string }>> = {
  QualityScored: { name: 'quality', field: 'quality' },
  FeedbackGiven: { name: 'user_feedback', field: 'satisfaction' },
}

/**
 * `gen_ai.evaluation.result` below the span of the task, which may have ended long ago: a score, as the convention's
 * event. Null for other events.
 */
export function scoreSpan(
  { eventType, eventId, atMs, data, key }: HandlingInput,
  trace: Omit<SpanRef, 'spanId'>,
  content: ContentLimits | null,
): SpanData | null {
  const kind = Object.hasOwn(scores, eventType) ? scores[eventType] : undefined
  const score = kind && fieldOf(data, kind.field)
  if (!kind || typeof score !== 'number') return null
  const comment = fieldOf(data, 'comment')
  const attributes = {
    [evaluation.name]: kind.name,
    ...given(evaluation.name, fieldOf(data, 'scorer')),
    [evaluation.score]: score,
    ...(content && typeof comment === 'string' ? { [evaluation.explanation]: remark(comment, content) } : {}),
  }
  return {
    name: evaluation.event,
    kind: 'internal',
    self: { ...trace, spanId: spanIdOf('evaluation', eventId) },
    parent: { ...trace, spanId: taskSpanId(key) },
    links: [],
    startMs: atMs,
    endMs: atMs,
    attributes: { [ours.task]: key, ...attributes },
    error: null,
    events: [{ name: evaluation.event, atMs, attributes }],
  }
}
