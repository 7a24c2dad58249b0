// The system ends a Python process (kill -9, out of memory) while its session waits or computes.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { NOW_MS, TestSession, wasm } from './session.ts'

/** One process at once, so that it is the only child of this one. */
const executor = wasm({ maxChildren: 1, warmChildren: 0, bubblewrap: false })
after(() => executor.close())

function killPython(): void {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ')
  const python = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('child.mts'))
  assert.ok(python, `no Python process among ${children.join(' ')}`)
  process.kill(Number(python), 'SIGKILL')
}

test('killed while it waits for a tool, it goes on where it was', async () => {
  const session = new TestSession(executor)
  const code = 'r = []\nfor i in range(4): r.append(search(str(i)))\nr'
  const outcome = await session.step(
    code,
    (call) => call.arguments['query'] ?? null,
    async () => {
      if (session.asked.length % 2 !== 0) return
      killPython()
      while (executor.children > 0) await setImmediate()
    },
  )
  assert.deepEqual([outcome.error, outcome.value], [null, ['0', '1', '2', '3']])
  assert.equal(session.asked.length, 4)
})

test('killed while it computes, the step is not blamed and may run again', async () => {
  const session = new TestSession(executor)
  await session.step('x = 1')
  const step = { kind: 'step', n: 7, code: 'while True: print("." * 9000)', nowMs: NOW_MS, seed: '' } as const
  const options = { tools: [], limits: session.limits, signal: new AbortController().signal }
  const running = executor.run({ id: session.id, log: session.log }, step, options)
  await setImmediate()
  killPython()
  await assert.rejects(running, { code: 'SANDBOX_UNAVAILABLE', retryable: true })
  assert.equal((await session.step('x')).value, 1)
})
