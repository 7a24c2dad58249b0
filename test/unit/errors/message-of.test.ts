import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messageOf } from '../../../runtime/errors.ts'

test('any thrown value has a message', () => {
  assert.equal(messageOf(new Error('no route')), 'no route')
  // Node tries every address of a host; if all refuse, only the single errors have a message.
  assert.equal(messageOf(new AggregateError([new Error('refused')], '')), 'refused')
  assert.equal(messageOf(new TypeError()), 'TypeError')
  const refused = new Error('connect ECONNREFUSED 127.0.0.1:9')
  assert.equal(
    messageOf(new TypeError('fetch failed', { cause: refused })),
    `fetch failed: ${refused.message}`,
  )
  assert.equal(messageOf('a text'), 'a text')
  assert.equal(messageOf(undefined), 'undefined')
})
