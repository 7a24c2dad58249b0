// The real E2B, with a key of your own: E2B_API_KEY=… node --test test/sandbox/e2b-live.ts
// In no tier: it needs an account and the internet.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { E2bExecutor } from '../../services/code-sandbox/executors/e2b/e2b-executor.ts'
import { TestSession } from './suite/session.ts'

if (!process.env['E2B_API_KEY']) throw new Error('E2B_API_KEY is not set')

test('a step with a tool call in a sandbox of E2B, paused while it waits', async () => {
  const executor = new E2bExecutor({ memoryMb: 256, maxChildren: 1, pauseAfterMs: 1_000 })
  after(() => executor.close())
  const session = new TestSession(executor)
  const wait = () => new Promise<void>((resolve) => setTimeout(resolve, 10_000))
  const outcome = await session.step('x = search("a")\nx', () => 'found', wait)
  assert.deepEqual([outcome.error, outcome.value], [null, 'found'])
  assert.equal((await session.step('open("/etc/passwd")')).error?.code, 'CODE_PERMISSION')
})
