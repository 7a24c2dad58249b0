import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { logLine } from '../../../runtime/telemetry/log-line.ts'

const entry = {
  level: 'warn',
  time: '2026-11-28T14:02:11.123Z',
  service: 'flotilla-fleet',
  msg: 'failed to open lane',
}
const lineOf = (changes: object) =>
  stripVTControlCharacters(logLine(JSON.stringify({ ...entry, ...changes })))

test('an entry is one line: time, level, what happened, fields', () => {
  assert.equal(
    lineOf({ lane: 3, topic: 'tasks.submitted', why: 'two words' }),
    '14:02:11 warn  failed to open lane  lane=3  topic=tasks.submitted  why="two words"\n',
  )
})

test('an error is its code and message; only at level error and worse has it a stack', () => {
  const err = {
    code: 'LOG_UNAVAILABLE',
    message: 'away',
    stack: 'Error: away\n    at open (file:///x.ts:1:2)',
  }
  assert.equal(lineOf({ err }), '14:02:11 warn  failed to open lane: LOG_UNAVAILABLE: away\n')
  assert.equal(
    lineOf({ err, level: 'error' }),
    '14:02:11 error failed to open lane: LOG_UNAVAILABLE: away\n    at open (file:///x.ts:1:2)\n',
  )
})

test('what would control the terminal does not reach it', () => {
  assert.equal(lineOf({ msg: 'a\u001b[2Jb\nc\u202ed' }).includes('\u001b'), false)
  assert.doesNotMatch(logLine(JSON.stringify({ ...entry, msg: 'a\u001b[2Jb\rc' })), /\u001b\[2J|\r/)
})
