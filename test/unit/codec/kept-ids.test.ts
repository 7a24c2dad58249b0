// Records name their schemas by a registry's numbers: one that has lost them, or another one, is found out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCodec } from '../../../runtime/codec/codec.ts'
import { KEPT_IDS, prepareKept, requireKept } from '../../../runtime/codec/kept-ids.ts'
import { registryChanged, type AvroSchema, type Registry } from '../../../runtime/codec/registry.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { memoryKeyValue } from '../../../runtime/testing/memory/store.ts'

/** Numbers schemas as they come, beginning behind `from`; `others` are read by their numbers too. */
function numbering(from = 0, others: ReadonlyMap<number, AvroSchema> = new Map()) {
  const schemas = new Map(others)
  const ids = new Map<string, number>()
  let next = from
  const idOf = (subject: string, schema: AvroSchema): number => {
    const key = `${subject} ${JSON.stringify(schema)}`
    const id = ids.get(key) ?? ++next
    ids.set(key, id)
    schemas.set(id, schema)
    return id
  }
  const registry: Registry = {
    register: async (subject, schema) => idOf(subject, schema),
    byId: async (id) => {
      const found = schemas.get(id)
      if (found === undefined) throw new FlotillaError('UNDECODABLE_RECORD', `no schema ${id}`)
      return found
    },
    check: async (registered) => {
      if (
        registered &&
        ids.get(`${registered.subject} ${JSON.stringify(registered.schema)}`) !== registered.id
      )
        throw registryChanged(registered, 'has another')
    },
  }
  return { registry, schemas, clear: () => [schemas, ids].forEach((map) => map.clear()) }
}

const codecOf = (registry: Registry) => createCodec({ registry, prefix: 'fleet' })

async function prepared(registry: Registry) {
  const codec = codecOf(registry)
  await codec.prepare()
  return codec
}

test('the next process finds the same numbers, and nothing is written again', async () => {
  const store = memoryKeyValue()
  const { registry } = numbering()
  await prepareKept(codecOf(registry), store)
  const kept = await store.get(KEPT_IDS)
  await prepareKept(codecOf(registry), store)
  assert.equal(await store.get(KEPT_IDS), kept)
})

/** One in which others have registered these schemas in another order. */
async function usedByOthers(): Promise<Registry> {
  const { registry } = numbering(-1)
  await codecOf(registry).prepare()
  return registry
}

for (const [what, registryOf] of [
  ['none', async () => numbering().registry],
  ['another', usedByOthers],
] as const)
  test(`a registry that has ${what} under a number of the fleet's records is refused`, async () => {
    const store = memoryKeyValue()
    await prepareKept(codecOf(numbering().registry), store)
    const kept = await store.get(KEPT_IDS)
    await assert.rejects(prepareKept(codecOf(await registryOf()), store), {
      code: 'REGISTRY_CHANGED',
      message: new RegExp(`schema \\d+, and the schema registry has ${what} under that id`),
    })
    assert.equal(await store.get(KEPT_IDS), kept)
  })

test('a registry that gives new numbers and still reads the former ones is taken', async () => {
  const store = memoryKeyValue()
  const former = numbering()
  await prepareKept(codecOf(former.registry), store)
  await prepareKept(codecOf(numbering(10_000, former.schemas).registry), store)
})

test('nothing is registered in a registry that is refused', async () => {
  const store = memoryKeyValue()
  await prepareKept(codecOf(numbering().registry), store)
  const wrong = numbering(10_000)
  await assert.rejects(prepareKept(codecOf(wrong.registry), store), { code: 'REGISTRY_CHANGED' })
  await assert.rejects(requireKept(codecOf(wrong.registry), store), { code: 'REGISTRY_CHANGED' })
  assert.equal(wrong.schemas.size, 0)
})

test('of two processes that start at once on two registries one is refused', async () => {
  const store = memoryKeyValue()
  const both = [numbering(), numbering(10_000)].map(({ registry }) => prepareKept(codecOf(registry), store))
  const settled = await Promise.allSettled(both)
  const refused = settled.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
  assert.deepEqual(
    refused.map(({ reason }) => (reason as FlotillaError).code),
    ['REGISTRY_CHANGED'],
  )
})

test('what can be no id of a schema is not asked for', async () => {
  const store = memoryKeyValue()
  const { registry } = numbering()
  await prepareKept(codecOf(registry), store)
  const kept = await store.get(KEPT_IDS)
  const entries = Object.keys(JSON.parse(kept ?? '') as object).map((key, at) => [
    key,
    [null, '../config', -1, 1.5][at % 4],
  ])
  await store.set(KEPT_IDS, JSON.stringify(Object.fromEntries(entries)))
  const asked: unknown[] = []
  const byId: Registry['byId'] = (id) => (asked.push(id), registry.byId(id))
  await prepareKept(codecOf({ ...registry, byId }), store)
  assert.deepEqual(asked, [])
  assert.equal(await store.get(KEPT_IDS), kept)
})

test('what another program has written under the key is written over', async () => {
  const store = memoryKeyValue()
  await store.set(KEPT_IDS, 'no JSON')
  const codec = codecOf(numbering().registry)
  await prepareKept(codec, store)
  assert.deepEqual(JSON.parse((await store.get(KEPT_IDS)) ?? ''), codec.ids())
})

test('a process that runs says that its registry has lost what it registered', async () => {
  const { registry, clear } = numbering()
  const codec = await prepared(registry)
  await codec.check()
  clear()
  await assert.rejects(codec.check(), { code: 'REGISTRY_CHANGED' })
})

test('one whose registry gives some of its schemas other numbers says so after a few checks, and until it has them again', async () => {
  const { registry } = numbering()
  const ids: number[] = []
  let wrong: number | null = null
  const check: Registry['check'] = async (registered) => {
    ids.push(registered?.id ?? 0)
    if (registered?.id === wrong) throw registryChanged({ subject: 'x', id: wrong ?? 0 }, 'has another')
  }
  const codec = await prepared({ ...registry, check })
  const all = Object.keys(codec.ids()).length
  for (let checks = 0; checks < all; checks++) await codec.check()
  assert.equal(new Set(ids).size, all)
  wrong = ids[1] ?? 0
  await codec.check()
  for (const _ of [1, 2]) await assert.rejects(codec.check(), { code: 'REGISTRY_CHANGED' })
  wrong = null
  await codec.check()
})
