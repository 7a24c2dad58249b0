// Faults of a simulated store: which operations share one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Guard, GuardedCall } from '../../../../runtime/host/calls/guard.ts'
import { memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import type { FaultKind } from '../../../../runtime/testing/simulator/fate.ts'
import {
  Transaction,
  withGuardFaults,
  withStoreFaults,
  type StoreFaults,
} from '../../../../runtime/testing/simulator/store-faults.ts'

function world(failing: FaultKind | null, file?: Transaction) {
  const faults: StoreFaults = {
    strikes: (kind, place) => kind === failing && place.startsWith('finish'),
    between: (least) => least,
    wait: async () => {},
    isAway: () => false,
    refusal: () => null,
    isDead: () => false,
    pause: () => {},
  }
  const settled: string[] = []
  const guard: Guard = {
    applies: () => true,
    reserve: async () => null,
    settle: async ({ key }) => void settled.push(key),
  }
  const store = withStoreFaults(memoryKeyValue(), faults, file)
  const faulty = withGuardFaults(guard, faults, file)
  const finish = () => {
    const outcome = store.compareAndSet('journal:c1', null, '{"state":"done"}', 1_000)
    const settling = faulty.settle({ key: 'task' } as GuardedCall, { ok: true } as never)
    return Promise.allSettled([outcome, settling])
  }
  return { finish, settled, guard: faulty }
}

test('one data file: what an outcome settles fails with it, and is there with it', async () => {
  const failing = world('store-fails', new Transaction())
  const results = await failing.finish()
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.deepEqual(failing.settled, [])
  const well = world(null, new Transaction())
  await well.finish()
  assert.deepEqual(well.settled, ['task'])
  await well.guard.settle({ key: 'later' } as GuardedCall, { ok: true } as never)
  assert.deepEqual(well.settled, ['task', 'later'])
})

test('a store of many: an outcome that fails does not keep its settling back', async () => {
  const { finish, settled } = world('store-fails')
  const [outcome, settling] = await finish()
  assert.deepEqual([outcome?.status, settling?.status], ['rejected', 'fulfilled'])
  assert.deepEqual(settled, ['task'])
})
