// The zygote of the native executor, over hours.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createNative } from './native.ts'
import { TestSession } from './suite/session.ts'

test('the time that it may take to start does not end it later, with every session', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let rebuilds = 0
  const executor = createNative({ watch: { live: () => {}, rebuilt: () => void rebuilds++ } })
  after(() => executor.close())
  const session = new TestSession(executor)
  await session.step('x = 1')
  t.mock.timers.tick(3_600_000)
  const outcome = await session.step('x')
  assert.deepEqual([outcome.error, outcome.value, rebuilds], [null, 1, 0])
})
