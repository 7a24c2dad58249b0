// A program in WebAssembly that goes around the sandbox's own Python, to what its process gives it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { started } from './suite/subject.ts'
import { TestSession } from './suite/session.ts'
import { wasm } from './wasm.ts'

const executor = started(wasm)

test('standard error is a stream to write on', async () => {
  const session = new TestSession(executor)
  const { error, prints } = await session.step('import os\nos.write(2, b"seen")\nos.write(1, b"too")')
  assert.equal(error, null, error?.message)
  assert.deepEqual([prints.includes('seen'), prints.includes('too')], [true, true])
})

test('a wait that can never end is reported as such', async () => {
  const session = new TestSession(executor)
  await session.step('kept = 1')
  const { error, lost } = await session.step('import queue\nqueue.Queue().get()')
  assert.match(error?.message ?? 'none', /lock that nothing can release, because there are no threads/)
  assert.equal(lost, 'step')
  assert.equal((await session.step('kept')).value, 1)
})

const requests = {
  'an object that says it has four billion items': `'{"length":4294967295,"x":"' + "a" * 2_000_000 + '"}'`,
  'millions of lists': `"[" + "[]," * 3_000_000 + "[]]"`,
} as const
for (const [what, request] of Object.entries(requests)) {
  test(`${what} as a request for calls is refused before it is read`, async () => {
    const session = new TestSession(executor)
    const { error } = await session.step(`import sys\nsys.modules["sandbox_host"].call_tools(${request})`)
    assert.match(error?.message ?? 'none', /arguments of more than 1000000 characters/)
    assert.equal((await session.step('1 + 1')).value, 2)
  })
}
