import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Coalesced } from '../../../../client/log/coalesced.ts'
import { PAGE, Pages } from '../../../../client/log/pages.ts'
import type { LogRecord } from '../../../../runtime/log/port.ts'

function logOf(end: number, gap = (_offset: number) => false) {
  const state = { end, reads: 0 }
  const record = (offset: number): LogRecord => ({
    topic: 'tasks.history',
    partition: 0,
    offset,
    key: 'k',
    value: Buffer.alloc(1_000),
    headers: {},
    timestampMs: offset,
  })
  const read = async (_topic: string, _partition: number, from: number, limit: number) => {
    state.reads++
    const found: LogRecord[] = []
    for (let offset = from; offset < state.end && found.length < limit; offset++)
      if (!gap(offset)) found.push(record(offset))
    return found
  }
  return { state, log: { read } }
}

async function offsets(pages: Pages, from: number): Promise<number[]> {
  const found: number[] = []
  for await (const records of pages.read('tasks.history', 0, from))
    found.push(...records.map(({ offset }) => offset))
  return found
}

test('a thousand readers at once cost as many reads as two, and each sees everything', async () => {
  const { state, log } = logOf(3 * PAGE + 7)
  const pages = new Pages(log)
  const found = await Promise.all(Array.from({ length: 1_000 }, (_, index) => offsets(pages, index)))
  for (const [index, seen] of found.entries()) {
    assert.equal(seen.length, 3 * PAGE + 7 - index)
    assert.equal(seen[0], index)
  }
  assert.ok(state.reads <= 12, `${state.reads} reads`)
  const before = state.reads
  await offsets(pages, 0)
  assert.equal(state.reads, before + 1, 'only the last page is read again')
})

test('gaps, also a page of nothing else: transaction markers, and what retention deleted', async () => {
  const { log } = logOf(4 * PAGE, (offset) => offset % 3 === 0 || (offset >= PAGE && offset < 2 * PAGE + 9))
  const found = await offsets(new Pages(log), 10)
  assert.equal(found.at(-1), 4 * PAGE - 1)
  assert.ok(found.every((offset) => offset % 3 !== 0 && (offset < PAGE || offset >= 2 * PAGE + 9)))
  assert.ok(found.includes(PAGE - 1) && found.includes(2 * PAGE + 10))
})

test('what is kept stays within its bytes', async () => {
  const { state, log } = logOf(5 * PAGE)
  const pages = new Pages(log, 2 * PAGE * 1_300)
  await offsets(pages, 0)
  state.reads = 0
  await offsets(pages, 4 * PAGE)
  assert.equal(state.reads, 1, 'the last full page is kept, and one looks for more')
  await offsets(pages, 0)
  assert.ok(state.reads >= 3, 'the first ones are not')
})

test('nobody gets the outcome of work that had begun before', async () => {
  const gates: PromiseWithResolvers<void>[] = []
  let begun = 0
  const coalesced = new Coalesced(async () => {
    const mine = ++begun
    const gate = Promise.withResolvers<void>()
    gates.push(gate)
    await gate.promise
    if (mine === 1) throw new Error('the first fails')
    return mine
  })
  const first = coalesced.run()
  const late = [coalesced.run(), coalesced.run()]
  gates[0]?.resolve()
  await assert.rejects(first, /the first fails/)
  await new Promise(setImmediate)
  gates[1]?.resolve()
  assert.deepEqual(await Promise.all(late), [2, 2])
  assert.equal(begun, 2)
})
