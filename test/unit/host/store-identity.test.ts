// The name of what the key-value store holds: another one after a loss, and the same for all processes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreIdentity } from '../../../runtime/host/store-identity.ts'
import { memoryKeyValue } from '../../../runtime/testing/memory/store.ts'
import { quietInstruments } from '../../../runtime/telemetry/instruments.ts'

function named(t: { after(work: () => void): void }, store = memoryKeyValue()) {
  const [counted, logged]: [string[], string[]] = [[], []]
  const log = { ...quietInstruments.log, error: (_: object, text: string) => void logged.push(text) }
  const count = (name: string): void => void counted.push(name)
  const identity = new StoreIdentity(store, { log, count } as never)
  t.after(() => identity.close())
  return { store, identity, counted, logged }
}

test('two processes agree on the name, and a loss is another one: logged, counted, heard of once', async (t) => {
  const { store, identity, counted, logged } = named(t)
  const other = named(t, store)
  const name = await identity.current()
  assert.deepEqual([await other.identity.current(), await identity.current()], [name, name])
  assert.deepEqual([counted, logged], [[], []], 'a store that is new has lost nothing')
  const heard: string[] = []
  const stop = identity.onChange((changed) => heard.push(changed))
  await store.delete(['identity'])
  const next = await identity.current()
  assert.notEqual(next, name)
  assert.deepEqual([await identity.current(), await other.identity.current()], [next, next])
  assert.deepEqual([heard, counted, other.counted], [[next], ['store_losses'], ['store_losses']])
  assert.match(logged.join(), /has lost what it held/)
  stop()
  await store.delete(['identity'])
  await identity.current()
  assert.equal(heard.length, 1)
})

test('a store that is away has lost nothing, and is asked again', async (t) => {
  let isAway = false
  const store = memoryKeyValue()
  const { identity, counted } = named(t, {
    ...store,
    get: (key) => (isAway ? Promise.reject(new Error('away')) : store.get(key)),
  })
  const name = await identity.current()
  isAway = true
  await assert.rejects(identity.recent(), /away/)
  isAway = false
  assert.equal(await identity.recent(), name)
  assert.deepEqual(counted, [])
})
