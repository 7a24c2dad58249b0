import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TaskProgressed } from '../../../../schemas/generated/events.ts'
import type { Json } from '../../../../schemas/json.ts'
import { decisionAbout, decisionOf, questionsOf } from '../../../../services/gateway/mcp/forms.ts'
import { readState, writeState } from '../../../../services/gateway/mcp/request-state.ts'
import { waitingCalls, type WaitingCall } from '../../../../services/gateway/mcp/waiting.ts'

const event = (kind: TaskProgressed['kind'], detail: Json, step = 1): TaskProgressed => ({
  taskId: 't',
  stage: 'tool-executor',
  kind,
  step,
  atMs: 1,
  detail,
})
const waits = (callId: string, more: { [name: string]: Json } = {}): TaskProgressed =>
  event('approval_requested', { callId, tool: 'pay', arguments: { amount: 5 }, why: 'approval', ...more })
const decided = (callId: string, outcome: string, more: { [name: string]: Json } = {}): TaskProgressed =>
  event('approval_decided', { callId, outcome, final: !outcome.includes('counted'), ...more })
const keysOf = (events: TaskProgressed[]) => waitingCalls(events).map(({ key }) => key)
const callOf = (more: { [name: string]: Json } = {}): WaitingCall => {
  const [call] = waitingCalls([waits('a', more)])
  assert.ok(call)
  return call
}

describe('calls that wait', () => {
  test('several of one step, until each is decided', () => {
    assert.deepEqual(keysOf([waits('a'), waits('b')]), ['a', 'b'])
    assert.deepEqual(keysOf([waits('a'), waits('b'), decided('a', 'approved')]), ['b'])
    assert.deepEqual(keysOf([waits('a'), event('step_completed', {})]), [])
  })

  test('a decision that did not count is asked again, under a key of its own, with the reason', () => {
    const events = [waits('a'), decided('a', 'not counted', { problem: 'the amount is no number' })]
    assert.deepEqual(keysOf(events), ['a.1'])
    assert.deepEqual(keysOf([...events, decided('a', 'not counted', { problem: 'again' })]), ['a.2'])
    assert.match(JSON.stringify(questionsOf(waitingCalls(events))), /did not count: the amount is no number/)
  })

  test('a call that waits once more is asked about under a key of its own, as that wait', () => {
    const events = [
      waits('a', { heldAtMs: 5 }),
      decided('a', 'answered'),
      waits('a', { heldAtMs: 9, why: 'question' }),
    ]
    assert.deepEqual(keysOf(events), ['a.1'])
    const [call] = waitingCalls(events)
    assert.ok(call)
    assert.deepEqual(decisionAbout('t', call, { approved: true, answer: 'x' }), {
      ...{ taskId: 't', callId: 'a', heldAtMs: 9, approved: true, answer: 'x' },
    })
  })

  test('a decision that counts while others must agree is not asked for again', () => {
    const [call] = waitingCalls([waits('a', { needed: 2 }), decided('a', 'counted')])
    assert.deepEqual([call?.key, call?.isCounted], ['a', true])
  })
})

const formOf = (call: WaitingCall) => {
  const question = questionsOf([call])[call.key]
  assert.ok(question)
  return question.params
}
const accept = (content: Record<string, unknown>) => ({ action: 'accept', content })

describe('an approval', () => {
  test('shows the frozen arguments', () => {
    const { message, requestedSchema } = formOf(callOf())
    assert.match(message, /pay with\n\{\n {2}"amount": 5\n\}/)
    assert.deepEqual(requestedSchema.required, ['confirm'])
  })

  test('only an accepted form that says yes or no, or a refusal, decides', () => {
    const call = callOf()
    assert.deepEqual(decisionOf(call, accept({ confirm: true })), { approved: true })
    assert.deepEqual(decisionOf(call, accept({ confirm: false, reason: 'no' })), {
      approved: false,
      reason: 'no',
    })
    assert.deepEqual(decisionOf(call, { action: 'decline' }), { approved: false })
    const nothing: unknown[] = [
      { action: 'cancel' },
      { action: 'accept' },
      { action: 'approve', content: { confirm: true } },
      null,
      'yes',
    ]
    for (const content of [{}, { confirm: 'true' }, { confirm: 1 }, { answer: true }])
      nothing.push(accept(content))
    for (const response of nothing) assert.equal(decisionOf(call, response), null, JSON.stringify(response))
  })
})

describe('a question', () => {
  const ask = (answer: Json, more: { [name: string]: Json } = {}) =>
    callOf({ why: 'question', tool: 'ask_person', answer, arguments: { question: 'Who?', ...more } })

  test('is asked in its own words; a text, with the options if there are some', () => {
    const { message, requestedSchema } = formOf(ask(null, { options: ['ann', 'bo'] }))
    assert.equal(message, 'Who?')
    assert.deepEqual(requestedSchema.properties, { answer: { type: 'string', enum: ['ann', 'bo'] } })
    assert.deepEqual(decisionOf(ask(null), accept({ answer: 'ann' })), { approved: true, answer: 'ann' })
    assert.equal(decisionOf(ask(null), accept({ name: 'ann' })), null)
  })

  test('of a flat object is its fields', () => {
    const schema = {
      type: 'object',
      properties: { name: { type: 'string', pattern: '^a' } },
      required: ['name'],
    }
    const { requestedSchema } = formOf(ask(schema))
    assert.deepEqual(requestedSchema, {
      type: 'object',
      properties: { name: { type: 'string' } },
      required: ['name'],
    })
    assert.deepEqual(decisionOf(ask(schema), accept({ name: 'ann' })), {
      approved: true,
      answer: { name: 'ann' },
    })
  })

  test('of any other shape is asked for as JSON', () => {
    const call = ask({ type: 'array', items: { type: 'integer' } })
    assert.match(JSON.stringify(formOf(call).requestedSchema), /JSON that fits/)
    assert.deepEqual(decisionOf(call, accept({ answer: '[1, 2]' })), { approved: true, answer: [1, 2] })
    assert.equal(decisionOf(call, accept({ answer: '[1, ' })), null)
  })
})

test('a call in doubt is settled by saying whether it took effect; declining says nothing', () => {
  const call = callOf({ why: 'doubt' })
  assert.match(formOf(call).message, /Nobody knows/)
  assert.deepEqual(decisionOf(call, accept({ tookEffect: true })), { approved: true, tookEffect: true })
  assert.deepEqual(decisionOf(call, accept({ tookEffect: false })), { approved: false, tookEffect: false })
  assert.deepEqual(decisionOf(call, accept({ tookEffect: false, again: true })), {
    approved: true,
    tookEffect: false,
  })
  for (const response of [{ action: 'decline' }, accept({ confirm: true })])
    assert.equal(decisionOf(call, response), null)
})

test('a state that was changed on its way is none', () => {
  const state = { task: 'task-1', calls: ['a', 'b'] }
  const text = writeState(state)
  assert.deepEqual(readState(text), state)
  const forged = Buffer.from(JSON.stringify({ task: 'task-2', calls: [] })).toString('base64url')
  for (const other of [
    '',
    '.',
    text.slice(1),
    `${text}.`,
    `${text}x`,
    forged,
    `${forged}.${text.split('.')[1]}`,
  ])
    assert.equal(readState(other), null, other)
  assert.equal(readState(writeState({ task: '../x', calls: [] })), null)
})
