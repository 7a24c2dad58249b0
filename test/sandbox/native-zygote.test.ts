// The zygote of the native executor: how long it lives, and how it reports the ends of sessions.
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

test('a program that ends itself as if it had been killed is to blame', async () => {
  const executor = createNative()
  after(() => executor.close())
  const session = new TestSession(executor)
  await session.step('kept = 1')
  for (const code of [0, 1, 134, 137, 143]) {
    const { error, lost } = await session.step(`import os\nos._exit(${code})`)
    assert.deepEqual([error?.code, error?.class, lost], ['CODE_FAILED', 'SystemError', 'step'], `${code}`)
  }
  assert.equal((await session.step('kept')).value, 1)
})

test('a crash by deep recursion is reported as that', async () => {
  const executor = createNative()
  after(() => executor.close())
  const session = new TestSession(executor)
  const code =
    'import sys\nsys.setrecursionlimit(10**6)\nx = iter([1])\nfor _ in range(100_000): x = map(str, x)\nlist(x)'
  const { error } = await session.step(code)
  assert.deepEqual([error?.code, error?.class], ['CODE_FAILED', 'RecursionError'])
})
