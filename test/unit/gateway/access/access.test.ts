// Who is let in, without a fleet: what a client learns, and for whom its streams count.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import Fastify from 'fastify'
import { DirectKeys } from '../../../../operator/direct/keys.ts'
import { readEnvironment } from '../../../../runtime/config/environment.ts'
import { openSqliteSql } from '../../../../runtime/store/sql-sqlite.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { guardAccess } from '../../../../services/gateway/access/access.ts'
import { clientOf } from '../../../../services/gateway/access/principal.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-access-'))
after(() => rmSync(dataDir, { recursive: true, force: true }))

test('streams count for the user, whose addresses may be a proxy’s; without the database nothing of it is shown', async () => {
  const sql = await openSqliteSql({ dataDir })
  const keys = new DirectKeys(sql)
  const warnings: unknown[] = []
  const logger = { ...quietInstruments.log, warn: (what: unknown) => void warnings.push(what) }
  const app = Fastify()
  const environment = readEnvironment({ FLOTILLA_API_ACCESS: 'open' })
  await guardAccess(app, { environment, fleet: {}, sql, logger })
  app.get('/v1/tasks', (request) => clientOf(request))
  const ask = (key?: string) =>
    app.inject({ url: '/v1/tasks', headers: key === undefined ? {} : { authorization: `Bearer ${key}` } })
  assert.equal((await ask()).body, '127.0.0.1', 'the API is open')
  const create = async (name: string, userId: string | null) =>
    (await keys.create({ name, userId, scopes: ['tasks:read', 'tasks:read:all'] })).key
  const [ann, laptop, backend, unused] = [
    await create('ann', 'ann'),
    await create('laptop', 'ann'),
    await create('backend', null),
    await create('unused', 'ann'),
  ]
  const closed = Fastify()
  closed.get('/v1/tasks', (request) => clientOf(request))
  await guardAccess(closed, { environment, fleet: {}, sql, logger })
  const clientFor = async (key: string) =>
    (await closed.inject({ url: '/v1/tasks', headers: { authorization: `Bearer ${key}` } })).body
  assert.equal(await clientFor(ann), 'user ann')
  assert.equal(await clientFor(laptop), 'user ann')
  assert.equal(await clientFor(backend), 'backend at 127.0.0.1')
  await sql.destroy()
  warnings.length = 0
  const answers = [await clientFor(unused), await clientFor(unused)]
  for (const answer of answers) {
    assert.match(answer, /credentials can't be checked now, because the database does not answer/)
    assert.doesNotMatch(answer, /driver|destroyed/)
  }
  assert.equal(warnings.length, 1, 'the log has the reason, once a minute')
  await Promise.all([app.close(), closed.close()])
})
