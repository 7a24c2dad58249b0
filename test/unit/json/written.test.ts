import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { requestHash } from '../../../runtime/host/lane/ids.ts'
import { jsonOf, jsonWithWritten } from '../../../runtime/json/written.ts'

const messages = [{ role: 'user', content: 'Say "hello" \u2028 \ud800.' }]
const requests: readonly object[] = [
  {},
  { model: 'm', messages, tools: [], step: 3, userId: null, more: undefined },
  { 2: 'b', 1: 'a', ['__proto__']: [1], 'a"b': { nested: [undefined, Number.NaN] } },
  { messages: [...messages, { role: 'tool', content: '' }], run: () => 1 },
]

test('an object whose lists were written before is written as JSON.stringify writes it', () => {
  for (const request of requests) assert.equal(jsonWithWritten(request), JSON.stringify(request))
  jsonOf(messages)
  for (const request of requests) assert.equal(jsonWithWritten(request), JSON.stringify(request))
})

test('the text of a written list is used again, but not once it has grown', () => {
  const list = [{ at: 1 }]
  jsonOf(list)
  Object.assign(list[0] as object, { at: 2 })
  assert.equal(jsonWithWritten({ list }), '{"list":[{"at":1}]}')
  list.push({ at: 3 })
  assert.equal(jsonWithWritten({ list }), '{"list":[{"at":2},{"at":3}]}')
  assert.equal(jsonOf(list), '[{"at":2},{"at":3}]')
})

test('the hash of a request is that of its JSON, as in journals of earlier releases', () => {
  const sha256 = (text: string): string => hash('sha256', text, 'hex').slice(0, 32)
  for (const request of requests) assert.equal(requestHash(request), sha256(JSON.stringify(request)))
  for (const request of [undefined, null, 'text', ['a', 1]])
    assert.equal(requestHash(request), sha256(JSON.stringify(request) ?? 'null'))
})
