import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storedCases } from '../../../evaluation/stored-cases.ts'

test('a run that has more cases than it says is not read to its end', async () => {
  let read = 0
  const most = { cases: 10, chars: 1_000 }
  const evaluations = {
    async *export() {
      for (; read < 100; read++) yield `${JSON.stringify({ id: `c${read}` })}\n`
    },
  }
  await assert.rejects(storedCases('r1', evaluations, most), /r1 has more than 10 scored cases/)
  assert.equal(read, 10)
  read = 95
  assert.equal((await storedCases('r1', evaluations, most)).length, 5)
})

test('a run whose few cases are large is not read to its end', async () => {
  let read = 0
  const evaluations = {
    async *export() {
      for (; read < 100; read++) yield `${JSON.stringify({ id: `c${read}`, output: 'x'.repeat(100) })}\n`
    },
  }
  const most = { cases: 1_000, chars: 1_000 }
  await assert.rejects(storedCases('r1', evaluations, most), {
    code: 'REQUEST_INVALID',
    message: /r1 has more than 1,000 characters of scored cases; compare by flotilla eval compare/,
  })
  assert.equal(read, 8)
})
