import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messageOf } from '../../runtime/errors.ts'

test('any thrown value has a message', () => {
  assert.equal(messageOf(new Error('no route')), 'no route')
  // Node tries every address of a host; if all refuse, only the single errors have a message.
  assert.equal(messageOf(new AggregateError([new Error('refused')], '')), 'refused')
  assert.equal(messageOf(new TypeError()), 'TypeError')
  assert.equal(messageOf('a text'), 'a text')
  assert.equal(messageOf(undefined), 'undefined')
})
