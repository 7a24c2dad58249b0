import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WasmExecutor } from '../../services/code-sandbox/executors/wasm/wasm-executor.ts'

test('an executor that is closed while it starts leaves no process behind', async () => {
  const executor = new WasmExecutor({ memoryMb: 256, maxChildren: 2, warmChildren: 2 })
  const warming = executor.warm()
  await executor.close()
  await warming
  assert.equal(executor.children, 0)
})
