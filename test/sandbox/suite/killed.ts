// The system ends a session's interpreter (kill -9, out of memory) while it waits or computes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { NOW_MS, TestSession } from './session.ts'
import { started, type Subject } from './subject.ts'

export function killedTests(subject: Subject): void {
  const executor = started(subject, { maxLive: 1 })

  test('killed while it waits for a tool, it goes on where it was', async () => {
    const session = new TestSession(executor)
    const code = 'r = []\nfor i in range(4): r.append(search(str(i)))\nr'
    const outcome = await session.step(
      code,
      (call) => call.arguments['query'] ?? null,
      async () => {
        if (session.asked.length % 2 === 0) await subject.crash(executor)
      },
    )
    assert.deepEqual([outcome.error, outcome.value], [null, ['0', '1', '2', '3']])
    assert.equal(session.asked.length, 4)
  })

  test('killed while it computes, the step is not blamed and may run again', async () => {
    const session = new TestSession(executor)
    await session.step('x = 1')
    const code = 'while True: print("." * 9000)'
    const step = { kind: 'step', n: 7, code, nowMs: NOW_MS, seed: '' } as const
    const options = { tools: [], limits: session.limits, signal: new AbortController().signal }
    const running = executor.run({ id: session.id, log: session.log }, step, options)
    const refused = assert.rejects(running, { code: 'SANDBOX_UNAVAILABLE', retryable: true })
    await (subject.underway?.() ?? setImmediate())
    await subject.crash(executor)
    await refused
    assert.equal((await session.step('x')).value, 1)
  })
}
