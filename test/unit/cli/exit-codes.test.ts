import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exitCode, exitCodeOf, exitCodes } from '../../../cli/program/exit-codes.ts'
import { FlotillaError, errorTable, type ErrorCode } from '../../../runtime/errors.ts'

test('exit codes tell the statuses apart', () => {
  const statuses = ['succeeded', 'failed', 'rejected', 'cancelled', 'timed_out'] as const
  assert.deepEqual(statuses.map(exitCode), [0, 1, 2, 3, 4])
})

const expected: [ErrorCode, number][] = [
  ['TASK_INVALID', 2],
  ['TASK_CANCELLED', 3],
  ['TASK_TIMED_OUT', 4],
  ['REQUEST_INVALID', 64],
  ['NOT_FOUND', 66],
  ['GATEWAY_UNAVAILABLE', 69],
  ['NO_FLEET', 69],
  ['DATA_LOCKED', 69],
  ['CONFIG_INVALID', 78],
  ['UNAUTHENTICATED', 77],
  ['FORBIDDEN', 77],
  ['INTERNAL', 70],
  ['HANDLER_FAILED', 1],
]
for (const [code, exit] of expected)
  test(`a command that ends with ${code} exits ${exit}`, () => {
    assert.equal(exitCodeOf(new FlotillaError(code, 'x')), exit)
  })

test('what is no error of the table is a bug', () => {
  assert.equal(exitCodeOf(new TypeError('x')), 70)
  assert.equal(exitCodeOf('x'), 70)
})

test('no error ends a command with success, and each exit code is one of the table', () => {
  const known = new Set<number>(Object.values(exitCodes).map(({ code }) => code))
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const exit = exitCodeOf(new FlotillaError(code, 'x'))
    assert.ok(exit !== 0 && known.has(exit), code)
  }
})
