import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePlainJson } from '../../../runtime/codec/plain-json.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { schemas } from '../../../schemas/generated/schemas.ts'
import { samples } from '../../golden/samples.ts'

const parse = (json: unknown) =>
  parsePlainJson(schemas.TaskSubmitted, Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)))

function problem(json: unknown): FlotillaError {
  try {
    parse(json)
  } catch (error) {
    assert.ok(error instanceof FlotillaError)
    return error
  }
  throw new Error('accepted')
}

test('one field is enough; the others are null', () => {
  const task = parse('\ufeff{"text":"hi"}\n')
  assert.equal(task['text'], 'hi')
  assert.deepEqual(Object.keys(task).sort(), Object.keys(samples.TaskSubmitted).sort())
  assert.ok(Object.entries(task).every(([name, value]) => name === 'text' || value === null))
})

test('a whole task comes back as it is', () =>
  assert.deepEqual(parse(samples.TaskSubmitted), samples.TaskSubmitted))

test('numbers and strings stand for each other where nothing is lost', () => {
  const task = parse({ text: 5, taskId: 42, maxSteps: '7', maxCost: '0.5' })
  assert.deepEqual([task['text'], task['taskId'], task['maxSteps'], task['maxCost']], ['5', '42', 7, 0.5])
})

test('ids that differ in the last digit are two ids; JSON within keeps its digits', () => {
  for (const field of ['taskId', 'userId', 'sessionId', 'parent'] as const)
    for (const id of ['9007199254740992', '9007199254740993', '123456789012345678901234567890']) {
      const wire = `{"text":"x","${field}":${id}}`
      assert.equal(parse(wire)[field], id)
    }
  const schema = parse('{"text":"x","outputSchema":{"const":9007199254740993}}')['outputSchema']
  assert.deepEqual(schema, { const: '9007199254740993' })
})

const wrong: [unknown, RegExp][] = [
  ['{"text":"x","taskId":1.5}', /taskId must be a string/],
  [{}, /text is missing/],
  [{ text: null }, /text may not be null/],
  [{ text: ['a'] }, /text must be a string/],
  [{ text: 'x', maxSteps: 1.5 }, /maxSteps must be a whole number/],
  [{ text: 'x', maxSteps: 'many' }, /maxSteps must be a number/],
  [{ text: 'x', maxSteps: 3e9 }, /maxSteps is too large/],
  [{ text: 'x', mode: 'chat' }, /mode must be one of code, tools/],
  [{ text: 'x', task_id: 'a' }, /task_id should be spelt taskId/],
  [{ text: 'x', colour: 'a' }, /colour is not a field; fields are text, taskId/],
]
for (const [json, pattern] of wrong) {
  test(`TASK_INVALID: ${JSON.stringify(json)}`, () => {
    const error = problem(json)
    assert.equal(error.code, 'TASK_INVALID')
    assert.match(error.message, pattern)
  })
}

test('every wrong field is told at once, with the task id for the answer', () => {
  const error = problem({ taskId: 't-1', maxSteps: true, parent: {} })
  assert.match(error.message, /text is missing; maxSteps must be a number; parent must be a string/)
  assert.deepEqual(error.details, { taskId: 't-1' })
})

test('two values for one name are refused, at any depth; for the id, nobody can be answered', () => {
  const nested = problem('{"taskId":"t-1","text":"x","outputSchema":{"type":"object","type":"array"}}')
  assert.deepEqual([nested.code, nested.details], ['TASK_INVALID', { taskId: 't-1' }])
  assert.match(nested.message, /type stands twice, with different values/)
  const ofId = problem('{"taskId":"t-1","text":"x","taskId":"t-2"}')
  assert.deepEqual([ofId.code, ofId.details], ['TASK_INVALID', { taskId: null }])
  assert.equal(parse('{"text":"x","text":"x"}')['text'], 'x')
})

for (const text of ['hello', '[1]', '"text"', '{"text":', '\xff\xfe']) {
  test(`UNDECODABLE_RECORD: ${JSON.stringify(text)}`, () =>
    assert.equal(problem(text).code, 'UNDECODABLE_RECORD'))
}
