// Input of hostile users: ids, headers, times, schemas and bytes.
import { homeOf } from '../../runtime/log/home.ts'
import type { Fate } from '../../runtime/testing/simulator/fate.ts'
import type { EventMap } from '../../schemas/generated/events.ts'
import type { Json } from '../../schemas/json.ts'
import { headers } from '../../schemas/topics.ts'

/** Ids that no task may have. The first looks like a part of the victim, on its lane. */
export function hostileIds(victim: string, partitions: number): string[] {
  const part = Array.from({ length: 40 }, (_, index) => `${victim}/${index}`).find(
    (id) => homeOf(id, partitions) === homeOf(victim, partitions),
  )
  return [
    part ?? `${victim}/0`,
    `${victim}/task`,
    `${victim}%2F0`,
    `${victim}\u0000run`,
    `${victim}\u0000$timer:deadline`,
    `../${victim}`,
    '任务-🚀',
    ' ',
    'x'.repeat(129),
    'x'.repeat(500_000),
    'x'.repeat(1_000_000),
    '\ud800',
  ]
}

const controls: { [T in 'TaskCancelled' | 'FeedbackGiven' | 'ApprovalDecided']: EventMap[T] } = {
  TaskCancelled: { taskId: '', reason: null, requestedBy: null },
  FeedbackGiven: { taskId: '', satisfaction: 0.1, comment: null, userId: null },
  ApprovalDecided: {
    ...{ taskId: '', callId: '', approved: true, reason: null, decidedBy: null },
    ...{ arguments: null, answer: null, tookEffect: null, scopes: null, credential: null, madeBy: null },
    heldAtMs: null,
  },
}

export function controlOf<T extends keyof typeof controls>(type: T, taskId: string): (typeof controls)[T] {
  return { ...controls[type], taskId }
}

/** Headers with forged values, or more than anybody reads. */
export function foreignHeaders(fate: Fate, name: string): Record<string, string> {
  const values: Readonly<Record<string, readonly string[]>> = {
    [headers.eventId]: ['0'.repeat(32), 'a/b', ''],
    [headers.causationId]: ['f'.repeat(32)],
    [headers.schema]: ['TaskClosed', 'no such event'],
    [headers.requester]: ['planner', 'code-sandbox'],
    [headers.stageVersion]: ['999999', '-1'],
    [headers.traceparent]: ['garbage', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`, 'x'.repeat(500_000)],
    'content-type': ['text/html'],
  }
  const drawn = Object.entries(values).filter(([header]) => fate.chance(`${name} ${header}`, 0.6))
  return Object.fromEntries(
    drawn.map(([header, texts]) => [header, fate.pick(texts, `${name} ${header} text`)]),
  )
}

const DAY_MS = 86_400_000

/** The beginning of time, last week, and next year. */
export const foreignTimes = (nowMs: number): number[] => [0, nowMs - 8 * DAY_MS, nowMs + 365 * DAY_MS]

export const outputSchemas: readonly Json[] = [
  { type: 'string' },
  { type: 'number' },
  { type: 'no such type' },
  { $async: true, type: 'number' },
  { $ref: 'https://example.org/schema.json' },
  { type: 'string', pattern: '(' },
  [1, 2, 3],
]

/** Bytes that are no record: the codec takes a zero for its own, and anything else for JSON. */
export const garbageOf = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(bytes % 2 === 0 ? 0 : 123)
