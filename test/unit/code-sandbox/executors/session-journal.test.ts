import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionEntry } from '../../../../services/code-sandbox/executors/port.ts'
import {
  argsHashOf,
  positionOf,
  stepsOf,
} from '../../../../services/code-sandbox/executors/session-journal.ts'

const step = (n: number): SessionEntry => ({ kind: 'step', n, code: '1', nowMs: 0, seed: '' })
const call = (n: number, seq: number): SessionEntry => ({
  kind: 'call',
  n,
  seq,
  name: 'search',
  argsHash: 'h',
})
const done = (n: number): SessionEntry => ({ kind: 'done', n, outputHash: 'h' })

test('a place names how far a session has come', () => {
  const logs: SessionEntry[][] = [
    [],
    [step(0), done(0)],
    [step(0), done(0), step(3)],
    [step(0), done(0), step(3), call(3, 0)],
    [step(0), done(0), step(3), call(3, 0), done(3)],
  ]
  const places = logs.map((log) => positionOf({ id: 's', log }))
  assert.equal(new Set(places).size, logs.length, places.join(', '))
})

test('an entry before its step is a bug', () => {
  assert.throws(() => stepsOf([call(1, 0)]), /a call of step 1 stands before its step/)
})

test('the hash of a call tells names and arguments apart', () => {
  const hashes = [
    argsHashOf('a', { b: 1 }),
    argsHashOf('b', { b: 1 }),
    argsHashOf('a', { b: '1' }),
    argsHashOf('a', {}),
  ]
  assert.equal(new Set(hashes).size, 4)
})
