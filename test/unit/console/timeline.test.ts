// The timeline of a task (console/src/task/timeline.ts): what each span of its time went to.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskEvent } from '../../../api/task-events.ts'
import { Timeline } from '../../../console/src/task/timeline.ts'

const place = { taskId: 't', stage: 'planner' }
const noWhy = { code: null, message: null }

function timelineOf(...events: TaskEvent[]): Timeline {
  const timeline = new Timeline()
  for (const [index, event] of events.entries()) timeline.take({ ...event, id: `0:${index}` } as never)
  return timeline
}

const started = (step: number, atMs: number): TaskEvent => ({ type: 'step.started', ...place, atMs, step })
const answered = (step: number, atMs: number, durationMs: number, text = 'Fine.'): TaskEvent => ({
  type: 'model.answered',
  ...place,
  atMs,
  step,
  model: 'm',
  text,
  toolCalls: 0,
  inputTokens: 10,
  outputTokens: 2,
  cost: 0.5,
  durationMs,
  finishReason: 'stop',
})
const requested = (callId: string, atMs: number): TaskEvent => ({
  type: 'tool.requested',
  ...place,
  atMs,
  step: 1,
  callId,
  tool: 'pay',
  arguments: { n: 1 },
})
const completed = (callId: string, atMs: number, durationMs: number): TaskEvent => ({
  type: 'tool.completed',
  ...place,
  atMs,
  step: 1,
  callId,
  tool: 'pay',
  status: 'succeeded',
  cached: true,
  durationMs,
  arguments: '{"n":1}',
  output: '"done"',
  ...noWhy,
})
const spansOf = ({ steps }: Timeline) => steps[0]?.spans.map(({ kind, fromMs, toMs }) => [kind, fromMs, toMs])

test('until another owner of the lane went on, a step was away, unless it waited for somebody', () => {
  const resumed = (event: TaskEvent): TaskEvent => ({ ...event, resumedEpoch: 2 }) as TaskEvent
  const crashed = timelineOf(started(1, 0), answered(1, 20, 20), resumed(requested('c', 7_000)))
  assert.deepEqual(spansOf(crashed), [
    ['model', 0, 20],
    ['away', 20, 7_000],
  ])
  // The call was made again: its own time is the model's.
  const asked = timelineOf(started(1, 0), resumed(answered(1, 5_000, 1_000)))
  assert.deepEqual(spansOf(asked)?.slice(0, 2), [
    ['away', 0, 4_000],
    ['model', 4_000, 5_000],
  ])
  const quick = timelineOf(started(1, 0), answered(1, 20, 20), resumed(requested('c', 300)))
  assert.deepEqual(spansOf(quick), [['model', 0, 20]])
  const held: TaskEvent = {
    ...place,
    ...{ type: 'approval.requested', atMs: 30, step: 1, callId: 'c', tool: 'pay', arguments: {} },
    ...{ heldAtMs: 30, why: 'approval', expiresAtMs: null, needed: 1, answer: null },
  } as TaskEvent
  const waited = timelineOf(started(1, 0), answered(1, 20, 20), held, resumed(completed('c', 90_000, 10)))
  assert.ok(waited.steps[0]?.spans.every(({ kind }) => kind !== 'away'))
})

test('time in queues, in the model and in a tool is told apart', () => {
  const timeline = timelineOf(
    started(1, 0),
    answered(1, 500, 300),
    requested('c', 500),
    completed('c', 900, 100),
  )
  assert.deepEqual(spansOf(timeline), [
    ['queue', 0, 200],
    ['model', 200, 500],
    ['queue', 500, 800],
    ['tool', 800, 900],
  ])
  const { inputTokens, outputTokens, cost, cached, calls } = timeline.totals
  assert.deepEqual([inputTokens, outputTokens, cost, cached, calls], [10, 2, 0.5, 1, 1])
})

test('a wait for a person lasts until it is decided; what a task left open ends with it', () => {
  const approval: TaskEvent = { ...requested('c', 600), type: 'approval.requested' } as TaskEvent
  const decision: TaskEvent = {
    type: 'approval.decided',
    ...{ ...place, atMs: 4_900, step: 1, callId: 'c', tool: 'pay', by: 'ann' },
    ...{ why: 'approval', reason: 'fine', final: true, outcome: 'approved', problem: null, missing: null },
    arguments: null,
  }
  const decided = timelineOf(
    started(1, 0),
    answered(1, 500, 500),
    approval,
    decision,
    completed('c', 5_000, 100),
  )
  assert.deepEqual(spansOf(decided)?.slice(1), [
    ['person', 600, 4_900],
    ['tool', 4_900, 5_000],
  ])
  assert.deepEqual(
    decided.steps[0]?.marks.map(({ text }) => text),
    ['pay: approved by ann: fine'],
  )
  const end: TaskEvent = {
    type: 'task.completed',
    ...place,
    atMs: 9_000,
    status: 'timed_out',
    code: 'TASK_TIMED_OUT',
    message: null,
    cost: 0,
    executionTime: 9_000,
  }
  const left = timelineOf(started(1, 0), answered(1, 500, 500), approval, end)
  assert.deepEqual(spansOf(left)?.at(-1), ['person', 600, 9_000])
  assert.equal(left.steps[0]?.calls[0]?.status, 'stopped')
  assert.equal(left.status, 'timed_out')
})

test('retries, breakers and limits are marked, and end when it goes on', () => {
  const why = { code: 'MODEL_UNAVAILABLE', message: 'it answered 503', dueMs: 900 }
  const retry: TaskEvent = {
    type: 'retry',
    ...place,
    atMs: 400,
    step: 1,
    model: 'm',
    tool: null,
    callId: null,
    ...why,
  }
  const waits: TaskEvent = {
    type: 'waiting',
    ...place,
    atMs: 1_000,
    step: 1,
    for: 'breaker',
    target: 'm',
    ...why,
  }
  const timeline = timelineOf(started(1, 0), retry, waits, answered(1, 2_000, 500))
  assert.deepEqual(spansOf(timeline), [
    ['retry', 400, 1_000],
    ['breaker', 1_000, 1_500],
    ['model', 1_500, 2_000],
  ])
  assert.deepEqual(
    timeline.steps[0]?.marks.map(({ kind, text }) => [kind, text]),
    [
      ['retry', 'MODEL_UNAVAILABLE: it answered 503'],
      ['breaker', 'MODEL_UNAVAILABLE: it answered 503'],
    ],
  )
})

test('streamed text grows, is taken back, and gives way to the answer', () => {
  const delta = (text: string): TaskEvent => ({ type: 'text.delta', taskId: 't', step: 1, sequence: 0, text })
  const timeline = timelineOf(started(1, 0), delta('Half '), delta('a text'))
  assert.equal(timeline.steps[0]?.text, 'Half a text')
  timeline.take({ type: 'text.retracted', taskId: 't', step: 1, reason: 'attempt_ended', id: null })
  assert.equal(timeline.steps[0]?.text, '')
  assert.equal(timeline.steps[0]?.marks[0]?.kind, 'resumed')
  timeline.take({ ...answered(1, 500, 100, 'All of it.'), id: '0:9' } as never)
  timeline.take({ ...delta('late'), id: null } as never)
  assert.equal(timeline.steps[0]?.text, 'All of it.')
})

test('the result fills in what events cut off, and steps that the log no longer has', () => {
  const timeline = timelineOf(started(2, 0), answered(2, 500, 100))
  timeline.take({
    id: '0:5',
    type: 'result',
    taskId: 't',
    result: {
      taskId: 't',
      status: 'succeeded',
      output: 'x',
      usage: { inputTokens: 1, outputTokens: 1, cost: 1 },
      steps: [
        {
          step: 1,
          kind: 'tools',
          text: 'First.',
          startedAtMs: -900,
          durationMs: 400,
          toolCalls: [
            { callId: 'c', tool: 'pay', status: 'succeeded', output: { long: 'whole' }, arguments: { n: 1 } },
          ],
        },
        { step: 2, kind: 'answer' },
      ],
    },
  })
  assert.deepEqual(
    timeline.steps.map(({ number, text }) => [number, text]),
    [
      [1, 'First.'],
      [2, 'Fine.'],
    ],
  )
  assert.match(timeline.steps[0]?.calls[0]?.output ?? '', /"long": "whole"/)
})

test('a step that another owner went on with is marked once, and not the step that its end began', () => {
  const resumed = <E extends TaskEvent>(event: E): TaskEvent => ({ ...event, resumedEpoch: 12 }) as TaskEvent
  const timeline = timelineOf(
    started(1, 0),
    resumed(answered(1, 500, 300)),
    resumed(requested('c', 500)),
    completed('c', 900, 100),
    resumed({
      ...{ type: 'step.completed', ...place, atMs: 950, step: 1, kind: 'tools', durationMs: 950 },
      ...{ observation: '', code: null },
    }),
    resumed(started(2, 950)),
    answered(2, 1_200, 200),
  )
  const marks = timeline.steps.map((step) => step.marks.map(({ kind, text }) => [kind, text]))
  assert.deepEqual(
    marks.map((own) => own.map(([kind]) => kind)),
    [['resumed'], []],
  )
  assert.match(marks[0]?.[0]?.[1] ?? '', /planner \(epoch 12\)/)
})
