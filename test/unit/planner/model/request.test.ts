// The body of a request as text: services/planner/model/request.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message, ModelRequest } from '../../../../services/planner/call.ts'
import { bodyOf, jsonOfBody } from '../../../../services/planner/model/request.ts'
import { jsonBytes, jsonOf } from '../../../../runtime/json/written.ts'

const call = {
  id: 'call00000',
  type: 'function',
  function: { name: 'look', arguments: '{"at":"ü"}' },
} as const
const messages: Message[] = [
  { role: 'system', content: 'Be "brief".\n' },
  { role: 'assistant', content: null, tool_calls: [call] },
  { role: 'tool', tool_call_id: 'call00000', content: '€ 3' },
]
const look = { type: 'function', function: { name: 'look', description: 'Looks.', parameters: {} } } as const
const request: ModelRequest = {
  ...{ model: 'openai/gpt "4"', messages, tools: [look], temperature: 0, maxOutputTokens: 10 },
  ...{ stream: true, step: 1 },
}

const all = ['temperature', 'max_tokens', 'max_completion_tokens', 'stream', 'no reasoning', 'null content']
const cases: [what: string, asked: Partial<ModelRequest>, refused: readonly string[]][] = [
  ['all of it', {}, []],
  ['without tools', { tools: [] }, []],
  ['not streamed', { stream: false }, []],
  ['with what a model wants instead', {}, ['null content', 'no tool name', 'no reasoning']],
  ['with nothing but model and messages', { tools: [] }, all],
  ['with nothing but the lists', {}, all],
]

for (const [what, asked, refused] of cases)
  test(`a body is sent as its JSON: ${what}`, () => {
    const body = bodyOf({ ...request, ...asked }, 'gpt "4"', new Set(refused) as never, false)
    assert.deepEqual(JSON.parse(jsonOfBody(body)), JSON.parse(JSON.stringify(body)))
  })

test('messages that nothing is changed in are sent as the list that was measured', () => {
  assert.equal(bodyOf(request, 'gpt-4o', new Set(), true).messages, messages)
})

test('a list that has grown is measured again', () => {
  const grown: Message[] = messages.slice(0, 1)
  assert.equal(jsonBytes(grown), Buffer.byteLength(JSON.stringify(grown)))
  grown.push({ role: 'user', content: 'ü' })
  assert.equal(jsonOf(grown), JSON.stringify(grown))
  assert.equal(jsonBytes(grown), Buffer.byteLength(JSON.stringify(grown)))
})
