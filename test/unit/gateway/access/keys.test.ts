// What a gateway remembers of a key, and for how long.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { NewKey } from '../../../../api/keys.ts'
import { DirectKeys, hasKeys, parseKey, type GivenKey } from '../../../../operator/direct/keys.ts'
import { openSqliteSql } from '../../../../runtime/store/sql-sqlite.ts'
import type { Sql } from '../../../../runtime/store/sql.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { FRESH_MS, KeyChecks } from '../../../../services/gateway/access/keys.ts'
import { eventually } from '../../../conformance/waiting.ts'

const made: string[] = []
after(() => made.forEach((dataDir) => rmSync(dataDir, { recursive: true, force: true })))

const ann: NewKey = { name: 'laptop', userId: 'ann', scopes: ['tasks:submit', 'tasks:read'] }

interface World {
  readonly sql: Sql
  readonly keys: DirectKeys
  readonly checks: KeyChecks
  pass(ms: number): void
  create(key?: NewKey): Promise<{ key: GivenKey; id: string }>
}

async function world(): Promise<World> {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-keys-'))
  made.push(dataDir)
  const sql = await openSqliteSql({ dataDir })
  const keys = new DirectKeys(sql)
  let nowMs = 1_000_000
  const checks = new KeyChecks({ sql, logger: quietInstruments.log, now: () => nowMs })
  return {
    sql,
    keys,
    checks,
    pass: (ms) => void (nowMs += ms),
    create: async (key = ann) => {
      const { key: text, id } = await keys.create(key)
      return { key: parseKey(text) as GivenKey, id }
    },
  }
}

test('a key has 256 bits, is shown once, and is not in the database', async () => {
  const { sql, keys } = await world()
  assert.equal(await hasKeys(sql), false)
  const { key, ...view } = await keys.create(ann)
  assert.match(key, /^flk_[0-9a-f]{12}_[0-9a-f]{64}$/)
  assert.deepEqual(await keys.list(), [view])
  const rows = JSON.stringify(await sql.selectFrom('api_keys').selectAll().execute())
  assert.ok(!rows.includes(parseKey(key)?.secret ?? ''), rows)
  assert.equal(await hasKeys(sql), true)
})

test('a key that can’t be one is refused with every mistake, and not made', async () => {
  const { keys } = await world()
  const refused = (key: object, message: RegExp) =>
    assert.rejects(keys.create(key as NewKey), { code: 'REQUEST_INVALID', message })
  await refused({}, /name: .*scopes: /)
  await refused({ ...ann, name: 'a\u0000b' }, /name: must be a text without control/)
  await refused({ ...ann, name: ' ' }, /name/)
  await refused({ ...ann, userId: 'ann\u200b' }, /userId has characters that nobody sees/)
  await refused({ ...ann, scopes: ['tasks:all'] }, /scopes\.0/)
  await refused({ ...ann, scopes: [] }, /scopes/)
  await refused({ ...ann, agents: [] }, /agents/)
  await refused({ ...ann, expiresAtMs: 5 }, /in the past/)
  await refused({ ...ann, expiresAtMs: Date.now() + 1e12 }, /ten years/)
  await refused({ ...ann, usrId: 'x' }, /usrId/)
  await refused({ ...ann, userId: null }, /a key without a user acts for every user/)
  assert.deepEqual(await keys.list(), [])
})

test('everybody who made a key for somebody else stands behind it, through every key in between', async () => {
  const { keys, checks } = await world()
  const made = async (maker: { key: string } | null, userId: string | null) => {
    const given = maker && (await checks.check(parseKey(maker.key) as GivenKey))
    assert.ok(given === null || 'principal' in given)
    const scopes: NewKey['scopes'] = ['keys:write', 'tasks:read:all']
    return keys.create({ name: 'same', userId, scopes }, given && given.principal)
  }
  const ann = await made(null, 'ann')
  const bobs = await made(ann, 'bob')
  const nobodys = await made(ann, null)
  const shown = [ann, await made(ann, 'ann'), bobs, await made(bobs, 'bob'), await made(bobs, 'ann'), nobodys]
  assert.deepEqual(
    [...shown, await made(nobodys, 'cy')].map(({ madeBy }) => madeBy),
    [[], [], ['ann'], ['ann'], ['bob'], ['ann'], ['ann']],
  )
  const checked = await checks.check(parseKey(bobs.key) as GivenKey)
  assert.ok('principal' in checked)
  const { credential, madeBy } = checked.principal
  assert.deepEqual([credential, madeBy], [`key same (${bobs.id})`, ['ann']])
})

test('a right key is its user; a wrong secret, an unknown id and a damaged key are nobody', async () => {
  const { checks, create } = await world()
  const { key } = await create()
  const checked = await checks.check(key)
  assert.ok('principal' in checked)
  assert.deepEqual([checked.principal.name, checked.principal.userId], ['laptop', 'ann'])
  assert.deepEqual([...checked.principal.scopes], ['tasks:submit', 'tasks:read'])
  const wrong = { problem: 'the key is not one of this fleet' }
  const other = `${key.secret.slice(0, -1)}${key.secret.endsWith('0') ? '1' : '0'}`
  assert.deepEqual(await checks.check({ ...key, secret: other }), wrong)
  assert.deepEqual(await checks.check({ ...key, id: '000000000000' }), wrong)
  assert.deepEqual([checks.isRemembered(key), checks.isRemembered({ ...key, secret: other })], [true, false])
  for (const text of [
    'flk_',
    `flk_${key.id}_`,
    `flk_${key.id}_${key.secret}0`,
    `flk_${key.id}_${'g'.repeat(64)}`,
  ])
    assert.equal(parseKey(text), null, text)
})

test('a revoked key is refused as soon as what is remembered is old, or at once where it was revoked', async () => {
  const { checks, create, keys, pass } = await world()
  const { key, id } = await create()
  assert.ok('principal' in (await checks.check(key)))
  await keys.revoke(id)
  pass(FRESH_MS - 1)
  assert.ok('principal' in (await checks.check(key)), 'remembered')
  pass(1)
  const refused = await checks.check(key)
  assert.match('problem' in refused ? refused.problem : '', new RegExp(`the key ${id} was revoked at 2`))
  const second = await create()
  await checks.check(second.key)
  await keys.revoke(second.id)
  checks.forget(second.id)
  assert.ok('problem' in (await checks.check(second.key)))
  await assert.rejects(keys.revoke('ffffffffffff'), { code: 'NOT_FOUND', message: /flotilla keys list/ })
})

test('a key expires by itself, also while it is remembered', async (context) => {
  const { checks, create } = await world()
  const { key } = await create({ ...ann, expiresAtMs: Date.now() + 60_000 })
  assert.ok('principal' in (await checks.check(key)))
  const nowMs = Date.now()
  context.mock.method(Date, 'now', () => nowMs + 60_001)
  const late = await checks.check(key)
  assert.match('problem' in late ? late.problem : '', /expired at/)
})

test('without the database a remembered key works until it is old, and no other does', async () => {
  const { sql, checks, create, pass } = await world()
  const [used, unused] = [await create(), await create()]
  assert.ok('principal' in (await checks.check(used.key)))
  await sql.destroy()
  pass(FRESH_MS - 1)
  assert.ok('principal' in (await checks.check(used.key)))
  await assert.rejects(checks.check(unused.key), { code: 'STORE_UNAVAILABLE' })
  pass(1)
  await assert.rejects(checks.check(used.key), { code: 'STORE_UNAVAILABLE' })
})

test('wrong secrets of a remembered key, and many requests at once, ask the database no more than once', async () => {
  const { sql, create } = await world()
  const { key } = await create()
  let reads = 0
  const counting = new Proxy(sql, {
    get: (target, name) => {
      if (name === 'selectFrom') reads++
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  let nowMs = 0
  const checks = new KeyChecks({ sql: counting, logger: quietInstruments.log, now: () => nowMs })
  await Promise.all(Array.from({ length: 50 }, () => checks.check(key)))
  assert.equal(reads, 1)
  for (let index = 0; index < 50; index++) await checks.check({ ...key, secret: 'f'.repeat(64) })
  assert.equal(reads, 1)
  nowMs += FRESH_MS
  await checks.check({ ...key, secret: 'f'.repeat(64) })
  assert.equal(reads, 1, 'a wrong secret is known to be wrong however old the memory is')
  await checks.check(key)
  assert.equal(reads, 2)
})

test('the last use is noted, at most once a minute', async () => {
  const { checks, create, keys, pass, sql } = await world()
  const { key } = await create()
  const lastUsed = async () => (await keys.list())[0]?.lastUsedAtMs ?? null
  assert.equal(await lastUsed(), null)
  await checks.check(key)
  await eventually('the use is noted', async () => (await lastUsed()) !== null)
  await sql.updateTable('api_keys').set({ last_used_at_ms: 1 }).execute()
  pass(59_000)
  await checks.check(key)
  // A note would be queued on the file before this write.
  await sql.updateTable('api_keys').set({ created_by: 'x' }).execute()
  assert.equal(await lastUsed(), 1)
  pass(1_000)
  await checks.check(key)
  await eventually('the use is noted again', async () => ((await lastUsed()) ?? 0) > 1)
})

test('a scope of a later version allows nothing', async () => {
  const { checks, create, sql } = await world()
  const { key } = await create()
  await sql.updateTable('api_keys').set({ scopes: '["tasks:read","moon:walk"]' }).execute()
  const checked = await checks.check(key)
  assert.deepEqual('principal' in checked ? [...checked.principal.scopes] : null, ['tasks:read'])
})
