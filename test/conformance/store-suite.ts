// What every adapter of the store ports must do.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../runtime/clock.ts'
import { sqlBlobs } from '../../runtime/store/blobs-sql.ts'
import type { BlobStore, KeyValue } from '../../runtime/store/port.ts'
import type { Sql } from '../../runtime/store/sql.ts'
import { mark } from './member.ts'
import { sqlTests } from './sql-tests.ts'
import { sqlTextTests } from './sql-text-tests.ts'
import { eventually } from './waiting.ts'

/** Longer than a busy machine lets two commands wait for each other. */
const LIFTED_MS = 500

interface Opened<T> {
  readonly store: T
  /** The same data seen by another process or after a restart; absent where nothing outlives the process. */
  readonly again?: () => Promise<T>
  stop(): Promise<void>
}

function opening<T>(
  name: string,
  open: () => Promise<Opened<T>>,
  tests: (subject: () => Opened<T>) => void,
): void {
  describe(name, () => {
    let opened: Opened<T> | null = null
    before(async () => {
      opened = await open()
    })
    after(() => opened?.stop())
    tests(() => {
      assert.ok(opened, 'the store under test could not be opened')
      return opened
    })
  })
}

export function keyValueSuite(
  name: string,
  open: () => Promise<Opened<KeyValue>>,
  { outlives = true } = {},
): void {
  opening(`key-value store: ${name}`, open, (subject) => {
    test('a value is read as written, and absent once deleted', async () => {
      const { store } = subject()
      const [key, other] = [mark(), `${mark()} klíč 🚀`]
      assert.equal(await store.get(key), null)
      await store.set(key, 'one')
      await store.set(key, 'two')
      await store.set(other, '')
      assert.deepEqual([await store.get(key), await store.get(other)], ['two', ''])
      await store.delete([key, other, mark()])
      await store.delete([])
      assert.deepEqual([await store.get(key), await store.get(other)], [null, null])
    })

    test('values of 512 KB and of any characters pass', async () => {
      const { store } = subject()
      const key = mark()
      const value = '{"text":"žluťoučký 任务 🚀 \\u0000\\n"}'.repeat(15_000)
      await store.set(key, value)
      assert.equal(await store.get(key), value)
    })

    test('a value with a lifetime ends; writing it anew without one keeps it', async () => {
      const { store } = subject()
      const [short, long, kept] = [mark(), mark(), mark()]
      await store.set(kept, 'x', 30)
      await store.set(kept, 'y')
      await store.set(short, 'x', 30)
      await store.set(long, 'x', 60_000.5)
      await eventually('the short one is gone', async () => (await store.get(short)) === null)
      assert.deepEqual([await store.get(long), await store.get(kept)], ['x', 'y'])
    })

    test('compare-and-set writes only over what was expected, and tells the present value', async () => {
      const { store } = subject()
      const key = mark()
      assert.deepEqual(await store.compareAndSet(key, 'x', 'y'), { swapped: false, current: null })
      assert.deepEqual(await store.compareAndSet(key, null, 'one'), { swapped: true })
      assert.deepEqual(await store.compareAndSet(key, null, 'two'), { swapped: false, current: 'one' })
      assert.deepEqual(await store.compareAndSet(key, 'zero', 'two'), { swapped: false, current: 'one' })
      assert.deepEqual(await store.compareAndSet(key, 'one', ''), { swapped: true })
      assert.deepEqual(await store.compareAndSet(key, null, 'x'), { swapped: false, current: '' })
      assert.deepEqual(await store.compareAndSet(key, '', 'three'), { swapped: true })
      assert.equal(await store.get(key), 'three')
    })

    test('compare-and-set sets and lifts a lifetime; what has ended counts as absent', async () => {
      const { store } = subject()
      const [lease, lifted] = [mark(), mark()]
      await store.compareAndSet(lifted, null, 'first', LIFTED_MS)
      await store.compareAndSet(lifted, 'first', 'second')
      // Later than the one that is lifted would have.
      await store.compareAndSet(lease, null, 'first', LIFTED_MS)
      await eventually(
        'the lease has lapsed',
        async () => (await store.compareAndSet(lease, null, 'next', 60_000)).swapped,
      )
      assert.deepEqual([await store.get(lease), await store.get(lifted)], ['next', 'second'])
    })

    test('a lease is told to whoever expected something else, until it ends or the key is written again', async () => {
      const { store } = subject()
      const [short, long] = [mark(), mark()]
      const left = async (key: string) => {
        const result = await store.compareAndSet(key, 'other', 'x')
        return result.swapped ? null : (result.leaseLeftMs ?? 0)
      }
      await store.compareAndSet(short, null, 'held', { ttlMs: 60_000, leaseMs: 30 })
      await store.compareAndSet(long, null, 'held', { ttlMs: 60_000, leaseMs: 30_000 })
      const leftMs = Number(await left(long))
      assert.ok(leftMs > 10_000 && leftMs <= 30_000, `${leftMs} ms`)
      await eventually('the short one has ended', async () => (await left(short)) === 0)
      assert.equal(await store.get(short), 'held', 'the value is kept')
      await store.compareAndSet(long, 'held', 'held', { ttlMs: 60_000, leaseMs: 60_000 })
      assert.ok(Number(await left(long)) > 30_000, 'the same text again prolongs it')
      await store.compareAndSet(long, 'held', 'done', 60_000)
      assert.equal(await left(long), 0)
    })

    test('of many that race for a key exactly one wins', async () => {
      const { store } = subject()
      const key = mark()
      const racers = Array.from({ length: 50 }, (_, i) => `racer ${i}`)
      const results = await Promise.all(racers.map((racer) => store.compareAndSet(key, null, racer)))
      assert.equal(results.filter(({ swapped }) => swapped).length, 1)
      const winner = racers[results.findIndex(({ swapped }) => swapped)]
      assert.equal(await store.get(key), winner)
      for (const result of results) if (!result.swapped) assert.equal(result.current, winner)
    })

    test('it can be checked and says how durable it is', async () => {
      const { store } = subject()
      await store.check()
      const { durable, reason } = await store.durability()
      assert.equal(typeof durable, 'boolean')
      assert.ok(reason.length > 10)
    })

    if (!outlives) return
    test('what was written is seen by another opening', async () => {
      const { store, again } = subject()
      assert.ok(again)
      const key = mark()
      await store.set(key, 'kept')
      const other = await again()
      assert.equal(await other.get(key), 'kept')
      assert.deepEqual(await other.compareAndSet(key, 'kept', 'changed'), { swapped: true })
      assert.equal(await store.get(key), 'changed')
      await other.close()
    })
  })
}

export function blobSuite(name: string, open: () => Promise<Opened<BlobStore>>): void {
  opening(`blob store: ${name}`, open, (subject) => blobTests(() => subject().store))
}

export function sqlSuite(name: string, open: () => Promise<Opened<Sql>>): void {
  opening(`database: ${name}`, open, (subject) => {
    sqlTests(() => subject().store)
    sqlTextTests(() => subject().store)
    blobTests(() => sqlBlobs(subject().store))
    test('payloads that nobody has put or renewed for 60 days are swept, however many they are', async () => {
      const { store } = subject()
      const day = 86_400_000
      const at = (days: number) => sqlBlobs(store, { ...systemClock, now: () => days * day })
      const old: string[] = []
      for (let index = 0; index < 45; index++) old.push(await at(1).put(Buffer.from(`${mark()} ${index}`)))
      const [renewed = '', again = ''] = old
      await at(20).renew?.([renewed, 'f'.repeat(64)])
      assert.equal(await at(20).put(Buffer.from(await textOf(at(1), again))), again)
      await at(62).sweep()
      const left = await Promise.all(old.map((hash) => at(62).get(hash)))
      assert.deepEqual(
        left.map((bytes) => bytes !== null),
        old.map((hash) => hash === renewed || hash === again),
      )
    })
    test('opening again finds the tables and the rows', async () => {
      const { store, again } = subject()
      assert.ok(again)
      const hash = await sqlBlobs(store).put(Buffer.from(mark()))
      const others = await Promise.all([again(), again()])
      for (const other of others) assert.ok(await sqlBlobs(other).get(hash))
      await Promise.all(others.map((other) => other.destroy()))
    })
  })
}

const textOf = async (blobs: BlobStore, hash: string): Promise<string> =>
  Buffer.from((await blobs.get(hash)) ?? []).toString()

function blobTests(subject: () => BlobStore): void {
  test('bytes are kept under their SHA-256, however often they are put', async () => {
    const blobs = subject()
    for (const bytes of [Buffer.from(mark()), Buffer.alloc(0), Buffer.alloc(3_000_000, mark())]) {
      const hash = createHash('sha256').update(bytes).digest('hex')
      assert.equal(await blobs.put(bytes), hash)
      assert.deepEqual(await Promise.all([blobs.put(bytes), blobs.put(bytes)]), [hash, hash])
      const found = await blobs.get(hash)
      assert.ok(found && bytes.equals(Buffer.from(found)))
    }
  })

  test('bytes that were never put are null, and the store can be checked', async () => {
    const blobs = subject()
    assert.equal(await blobs.get(createHash('sha256').update(mark()).digest('hex')), null)
    await blobs.check()
  })
}
