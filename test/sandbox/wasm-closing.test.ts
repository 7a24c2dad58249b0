import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { WasmExecutor } from '../../services/code-sandbox/executors/wasm/wasm-executor.ts'
import { eventually } from '../conformance/waiting.ts'

test('an executor that is closed while it starts leaves no process behind', async () => {
  const executor = new WasmExecutor({ memoryMb: 256, maxChildren: 2, warmChildren: 2 })
  const warming = executor.warm()
  await executor.close()
  await warming
  assert.equal(executor.children, 0)
})

test('nor one that is closed a moment later, whatever its processes are at', async () => {
  for (const afterMs of [0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 30, 50]) {
    const executor = new WasmExecutor({ memoryMb: 256, maxChildren: 2, warmChildren: 2 })
    const warming = executor.warm()
    await pause(afterMs)
    await executor.close()
    await warming
    await eventually(
      `its processes are gone when it is closed after ${afterMs} ms`,
      () => executor.children === 0,
    )
  }
})
