// Hostile jobs end their thread and nothing else.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { FairQueue } from '../../runtime/worker/fair-queue.ts'
import { WorkerPool, type Job, type PoolOptions } from '../../runtime/worker/pool.ts'

const script = new URL('./worker-jobs.ts', import.meta.url)

function poolOf(options: Partial<PoolOptions> = {}) {
  const pool = new WorkerPool({ script, threads: 1, memoryMb: 64, resultChars: 1_000, ...options })
  after(() => pool.close())
  return (job: string, input: unknown = null, more: Partial<Job> = {}) =>
    pool.run<unknown>({ job, input, key: 'k', timeMs: 300, ...more })
}

describe('a pool', () => {
  test('answers, keeps its thread warm, and gives it no environment', async () => {
    const run = poolOf()
    assert.deepEqual(await run('echo', { a: [1, 'x', null] }), { a: [1, 'x', null] })
    assert.equal(await run('thread'), await run('thread'))
    assert.deepEqual(await run('environment'), [])
  })

  const hostile: [job: string, code: string, message: RegExp][] = [
    ['compute', 'WORKER_LIMIT', /more than 0\.3 s/],
    ['match', 'WORKER_LIMIT', /more than 0\.3 s/],
    ['hold', 'WORKER_LIMIT', /more than 64 MB of memory/],
    ['recurse', 'WORKER_LIMIT', /nested too deep/],
    ['exit', 'INTERNAL', /ended/],
    ['break', 'INTERNAL', /broken/],
    ['none', 'INTERNAL', /no job none/],
  ]
  for (const [job, code, message] of hostile)
    test(`${job}: ${code}, and the next job is answered`, async () => {
      const run = poolOf()
      const timeMs = job === 'hold' ? 20_000 : 300
      await assert.rejects(run(job, null, { timeMs }), (error: { code?: string; message: string }) => {
        assert.equal(error.code, code)
        assert.match(error.message, message)
        return true
      })
      assert.equal(await run('echo', 1), 1)
    })

  test('errors of the table reach the caller as they were thrown', async () => {
    await assert.rejects(poolOf()('refuse', 'no such page'), { code: 'TOOL_FAILED', message: 'no such page' })
  })

  test('a result beyond its bound, and an input that can not be cloned, are limits', async () => {
    const run = poolOf()
    assert.equal(await run('large', 998), 'x'.repeat(998))
    await assert.rejects(run('large', 999), { code: 'WORKER_LIMIT', message: /more than 1000 characters/ })
    await assert.rejects(
      run('echo', () => 1),
      { code: 'WORKER_LIMIT', message: /can't be handed over/ },
    )
    assert.equal(await run('echo', 2), 2)
  })

  test('a flood of one key delays another key by one job', async () => {
    const run = poolOf()
    const ended: string[] = []
    const note = (name: string, job: Promise<unknown>) => job.then(() => ended.push(name))
    const flood = Array.from({ length: 20 }, (_, i) => note(`flood ${i}`, run('echo', i, { key: 'flood' })))
    const other = note('other', run('echo', 0, { key: 'other' }))
    await Promise.all([...flood, other])
    assert.ok(ended.indexOf('other') <= 2, ended.join())
  })

  test('beyond its queue a job is refused at once, for one key and for all', async () => {
    const run = poolOf({ queue: { entries: 3, entriesPerKey: 2 } })
    const busy = { code: 'WORKER_BUSY' }
    const waiting = [run('echo'), run('echo'), run('echo'), run('echo', 0, { key: 'other' })]
    await assert.rejects(run('echo'), busy)
    await assert.rejects(run('echo', 0, { key: 'third' }), busy)
    await Promise.all(waiting)
    assert.equal(await run('echo', 3), 3)
  })

  test('who is told to stop waits no longer; what waits is not begun', async () => {
    const run = poolOf()
    const stop = new AbortController()
    const stopped = [run('echo', 1), run('echo', 2)].map((job) => job)
    const aborted = run('compute', null, { signal: stop.signal, timeMs: 60_000 })
    stop.abort(new Error('stopped'))
    await assert.rejects(aborted, /stopped/)
    assert.deepEqual(await Promise.all(stopped), [1, 2])
    await assert.rejects(run('echo', 1, { signal: stop.signal }), /stopped/)
  })

  test('closing stops what waits and what is at work', async () => {
    const pool = new WorkerPool({ script, threads: 1, memoryMb: 64, resultChars: 1_000 })
    const job = { key: 'k', timeMs: 60_000, input: null }
    const jobs = [pool.run({ ...job, job: 'compute' }), pool.run({ ...job, job: 'echo' })]
    const refused = jobs.map((each) => assert.rejects(each, { code: 'CALL_TIMEOUT' }))
    await pool.close()
    await Promise.all(refused)
  })
})

test('a fair queue: keys take turns, each in its own order', () => {
  const queue = new FairQueue<string>({ entries: 9, entriesPerKey: 5 })
  for (const entry of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) assert.ok(queue.push(entry.charAt(0), entry))
  queue.remove('a', 'a2')
  queue.remove('a', 'none')
  queue.remove('z', 'none')
  const order = Array.from({ length: 6 }, () => queue.shift())
  assert.deepEqual(order, ['a1', 'b1', 'c1', 'a3', 'b2', undefined])
  assert.equal(queue.size, 0)
})
