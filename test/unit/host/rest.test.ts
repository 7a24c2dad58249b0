import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestingHeap } from '../../../runtime/host/rest.ts'

function heapOf(bytes: number[]) {
  const collected: number[] = []
  const heap = { bytes: bytes[0] ?? 0 }
  const resting = new RestingHeap({
    heapBytes: () => heap.bytes,
    collect: () => {
      collected.push(heap.bytes)
      heap.bytes = 30
    },
  })
  const samples = (...shares: number[]) => shares.forEach((share) => resting.sample(share))
  return { heap, collected, samples }
}

test('a process at rest gives its memory back once, and again after work that has left something', () => {
  const { heap, collected, samples } = heapOf([100])
  samples(0.5, 0.01, 0.3, 0.01)
  assert.deepEqual(collected, [])
  samples(0.01, 0.01, 0.01)
  assert.deepEqual(collected, [100])
  samples(0.9, 0.01, 0.01)
  assert.deepEqual(collected, [100], 'nothing to give back')
  heap.bytes = 80
  samples(0.01, 0.01)
  assert.deepEqual(collected, [100], 'the same rest')
  samples(0.9, 0.01, 0.01)
  assert.deepEqual(collected, [100, 80])
})
