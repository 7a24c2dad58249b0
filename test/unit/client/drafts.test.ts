// Text as one reader sees it (client/drafts.ts): at any time that of one attempt.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskEvent } from '../../../api/task-events.ts'
import { answeredBy, Drafts } from '../../../client/drafts.ts'
import { progressEvents } from '../../../client/progress-events.ts'
import type { TaskProgressed } from '../../../schemas/generated/events.ts'
import type { Json } from '../../../schemas/json.ts'

const piece = (attempt: string | null, sequence: number, text: string, step = 1) => ({
  taskId: 't',
  step,
  sequence,
  text,
  attempt,
})

const progress = (
  kind: TaskProgressed['kind'],
  step: number,
  detail: Json = {},
  stage = 'planner',
): TaskProgressed => ({ taskId: 't', stage, kind, step, atMs: 1, detail })

/** What a reader has on its screen: the text of unfinished steps. */
function screen(events: readonly TaskEvent[]): string {
  let text = ''
  for (const event of events) {
    if (event.type === 'text.delta') text += event.text
    if (event.type === 'text.retracted' || event.type === 'model.answered') text = ''
  }
  return text
}

function reader(answeredStep = 0) {
  const drafts = new Drafts('t', answeredStep)
  const events: TaskEvent[] = []
  return {
    events,
    writes: (...given: Parameters<typeof piece>) => events.push(...drafts.piece(piece(...given))),
    happens: (...given: Parameters<typeof progress>) => {
      for (const event of progressEvents(progress(...given))) events.push(...drafts.before(event), event)
    },
    screen: () => screen(events),
  }
}

test('another attempt: the text of the first is taken back before, and what it still writes is dropped', () => {
  const { events, writes, screen: now } = reader()
  writes('a', 0, 'Once ')
  writes('a', 1, 'upon')
  writes('b', 0, 'There ')
  writes('a', 2, ' a time')
  writes('b', 1, 'was')
  assert.equal(now(), 'There was')
  assert.deepEqual(
    events.map(({ type }) => type),
    ['text.delta', 'text.delta', 'text.retracted', 'text.delta', 'text.delta'],
  )
})

test('an attempt that failed is over at once, also for its last words', () => {
  for (const [kind, detail] of [
    ['retry_scheduled', { code: 'MODEL_TIMEOUT' }],
    ['model_changed', { from: 'm', to: 'n' }],
    ['compacted', { how: 'summarised', because: 'refused' }],
    ['waiting', { code: 'RATE_LIMITED' }],
  ] as const) {
    const { writes, happens, screen: now } = reader()
    writes('a', 0, 'Once')
    happens(kind, 1, detail)
    assert.equal(now(), '', kind)
    writes('a', 1, ' upon')
    assert.equal(now(), '', kind)
  }
})

test('a tool that is tried again takes back no text', () => {
  const { writes, happens, screen: now } = reader()
  writes('a', 0, 'Once')
  happens('retry_scheduled', 1, { tool: 'echo', callId: 'c' }, 'tool-executor')
  assert.equal(now(), 'Once')
})

test('the answer has the whole text: nothing of its step comes after it, the next step does', () => {
  const { events, writes, happens } = reader()
  writes('a', 0, 'Onc')
  happens('model_called', 1, { text: 'Once' })
  writes('a', 1, 'e')
  writes('z', 0, 'late')
  writes('b', 0, 'Then', 2)
  assert.deepEqual(
    events.map((event) => [event.type, 'text' in event ? event.text : null]),
    [
      ['text.delta', 'Onc'],
      ['model.answered', 'Once'],
      ['text.delta', 'Then'],
    ],
  )
})

test('an older version names no attempt: a new one begins with sequence 0', () => {
  const { writes, screen: now } = reader()
  writes(null, 0, 'Once ')
  writes(null, 1, 'upon')
  writes(null, 0, 'There')
  assert.equal(now(), 'There')
})

test('which answers a reader has follows from the record where it stopped', () => {
  const cases: [TaskProgressed, number][] = [
    [progress('model_called', 2), 2],
    [progress('step_completed', 2), 2],
    [progress('tool_called', 2, {}, 'tool-executor'), 2],
    [progress('retry_scheduled', 2, {}, 'tool-executor'), 2],
    [{ ...progress('approval_requested', 2, {}), stage: 'tool-executor' }, 2],
    [progress('waiting', 2, { code: 'RATE_LIMITED' }), 1],
    [progress('retry_scheduled', 2), 1],
    [progress('model_changed', 2), 1],
    [progress('compacted', 2), 1],
    [{ ...progress('admitted', 1), step: null }, 0],
  ]
  for (const [record, expected] of cases) assert.equal(answeredBy(record), expected, record.kind)
  const { events, writes } = reader(2)
  writes('a', 4, 'of an answer that it has', 2)
  assert.deepEqual(events, [])
})
