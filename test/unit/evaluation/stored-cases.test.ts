import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storedCases } from '../../../evaluation/stored-cases.ts'

test('a run that has more cases than it says is not read to its end', async () => {
  let read = 0
  const evaluations = {
    async *export() {
      for (; read < 100; read++) yield `${JSON.stringify({ id: `c${read}` })}\n`
    },
  }
  await assert.rejects(storedCases('r1', evaluations, 10), /r1 has more than 10 scored cases/)
  assert.equal(read, 10)
  read = 95
  assert.equal((await storedCases('r1', evaluations, 10)).length, 5)
})
