import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { eventually } from '../conformance/waiting.ts'
import { api, createE2b, e2b } from './e2b.ts'
import { killedTests } from './suite/killed.ts'
import { replayTests } from './suite/replay.ts'
import { semanticsTests } from './suite/semantics.ts'
import { TestSession } from './suite/session.ts'

semanticsTests(e2b)
replayTests(e2b)
killedTests(e2b)

test('a session that waits is paused, and goes on where it was', async () => {
  const executor = createE2b({ pauseAfterMs: 20 })
  after(() => executor.close())
  const session = new TestSession(executor)
  const before = api.asked.length
  const outcome = await session.step(
    'x = [search(q) for q in "ab"]\nx',
    (call) => call.arguments['query'] ?? null,
    async () => {
      await eventually('it is paused', () => [...api.boxes.values()].some(({ state }) => state === 'paused'))
    },
  )
  assert.deepEqual([outcome.error, outcome.value], [null, ['a', 'b']])
  assert.deepEqual(api.asked.slice(before), ['create', 'pause', 'connect', 'pause', 'connect'])
  assert.equal(api.created.at(-1)?.['allow_internet_access'], false)
})

test('a key that is refused is told with the setting', async () => {
  const key = process.env['E2B_API_KEY']
  process.env['E2B_API_KEY'] = `e2b_${'1'.repeat(40)}`
  const executor = createE2b()
  await assert.rejects(executor.check(), { code: 'SANDBOX_UNAVAILABLE', message: /E2B_API_KEY/ })
  process.env['E2B_API_KEY'] = key
  await executor.check()
  await executor.close()
})
