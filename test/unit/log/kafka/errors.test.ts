import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  errorType,
  isFencing,
  isTransient,
  isUnreachable,
  refusedPart,
} from '../../../../runtime/log/kafka/errors.ts'

const protocol = (type: string, retriable: boolean, message = type): Error =>
  Object.assign(new Error(message), { name: 'KafkaJSProtocolError', type, retriable })
const wrapped = (cause: Error): Error =>
  Object.assign(new Error('gave up', { cause }), { name: 'KafkaJSNumberOfRetriesExceeded', retriable: false })
const named = (name: string): Error => Object.assign(new Error(name), { name })

test('fencing is found under its names, its bare code, and inside retries', () => {
  assert.ok(isFencing(protocol('INVALID_PRODUCER_EPOCH', false)))
  assert.ok(isFencing(wrapped(protocol('INVALID_PRODUCER_EPOCH', false))))
  assert.ok(isFencing(protocol('KAFKAJS_UNKNOWN_ERROR_CODE', false, 'Unknown error code 90')))
  assert.ok(!isFencing(protocol('CONCURRENT_TRANSACTIONS', true)))
})

test('what may pass is tried again, what is fenced or refused is not', () => {
  assert.ok(isTransient(wrapped(protocol('CONCURRENT_TRANSACTIONS', true))))
  assert.ok(isTransient(named('KafkaJSConnectionClosedError')))
  assert.ok(!isTransient(protocol('INVALID_PRODUCER_EPOCH', false)))
  assert.ok(!isTransient(protocol('MESSAGE_TOO_LARGE', false)))
  assert.ok(!isTransient(new TypeError('a bug')))
})

test('a lost answer is told from a refusal', () => {
  assert.ok(isUnreachable(wrapped(named('KafkaJSRequestTimeoutError'))))
  assert.ok(!isUnreachable(protocol('NOT_LEADER_FOR_PARTITION', true)))
  assert.equal(errorType(wrapped(protocol('MESSAGE_TOO_LARGE', false))), 'MESSAGE_TOO_LARGE')
  assert.equal(errorType('nothing'), null)
})

test('what is refused for good, and which part of a commit it is', () => {
  for (const type of ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD'])
    assert.equal(refusedPart(wrapped(protocol(type, false))), 'record')
  assert.equal(refusedPart(protocol('OFFSET_METADATA_TOO_LARGE', false)), 'position')
  for (const type of ['CORRUPT_MESSAGE', 'NOT_LEADER_FOR_PARTITION', 'INVALID_PRODUCER_EPOCH'])
    assert.equal(refusedPart(protocol(type, true)), null)
  assert.equal(refusedPart(named('KafkaJSRequestTimeoutError')), null)
})
