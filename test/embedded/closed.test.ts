// Beyond loopback the API does not start open: real processes, as a user starts them.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { flotilla } from '../support/command.ts'
import { eventually } from '../conformance/waiting.ts'
import { freePort } from '../infra/port.ts'
import { startServices } from '../support/service-process.ts'

const made: string[] = []
after(() => made.forEach((folder) => rmSync(folder, { recursive: true, force: true })))
const folder = (): string => {
  const made_ = mkdtempSync(join(tmpdir(), 'flotilla-closed-'))
  made.push(made_)
  return made_
}

const ADMIN = 'x'.repeat(40)

async function statuses(url: string, keys: readonly (string | null)[]): Promise<number[]> {
  const asked = keys.map((key) =>
    fetch(`${url}/v1/keys`, key === null ? {} : { headers: { authorization: `Bearer ${key}` } }),
  )
  return (await Promise.all(asked)).map(({ status }) => status)
}

test('without a key it refuses to start, and says what to do', async () => {
  for (const HOST of ['0.0.0.0', '::']) {
    const ended = await flotilla(['start'], {
      env: { HOST, PORT: String(await freePort()), FLOTILLA_DATA: folder() },
    })
    assert.equal(ended.code, 78, ended.err)
    assert.match(ended.err, /CONFIG_INVALID: the HTTP API would be open to everyone who reaches/)
    for (const remedy of [
      /flotilla keys create admin --role admin/,
      /FLOTILLA_ADMIN_KEY/,
      /FLOTILLA_API_ACCESS/,
    ])
      assert.match(ended.err, remedy)
  }
  const weak = await flotilla(['start'], { env: { FLOTILLA_ADMIN_KEY: 'hunter2', FLOTILLA_DATA: folder() } })
  assert.match(weak.err, /FLOTILLA_ADMIN_KEY: must be 32 to 200 visible/)
  assert.doesNotMatch(weak.err, /hunter2/)
})

test('a scope or an agent that is given again is one more', async () => {
  const options = ['--scope', 'tasks:read', '--scope', 'tasks:submit', '--agent', 'a', '--agent', 'b,c']
  const created = await flotilla(['keys', 'create', 'ann', '--user', 'ann', ...options, '--json'], {
    env: { FLOTILLA_DATA: folder() },
  })
  const { scopes, agents } = JSON.parse(created.out) as { scopes: string[]; agents: string[] }
  assert.deepEqual(
    [scopes, agents],
    [
      ['tasks:read', 'tasks:submit'],
      ['a', 'b', 'c'],
    ],
  )
})

test('a key that the command makes before the first start closes it; the command uses FLOTILLA_API_KEY', async () => {
  const env = { FLOTILLA_DATA: folder() }
  const created = await flotilla(['keys', 'create', 'admin', '--role', 'admin', '--json'], { env })
  assert.equal(created.code, 0, created.err)
  const { key, id } = JSON.parse(created.out) as { key: string; id: string }
  const second = await flotilla(['keys', 'create', 'ann', '--user', 'ann', '--expires', '90d'], { env })
  assert.match(second.out, /^flk_[0-9a-f]{12}_[0-9a-f]{64}\n$/, 'the key alone is on stdout')
  const listed = await flotilla(['keys', '--json'], { env })
  assert.deepEqual((JSON.parse(listed.out) as { name: string }[]).map(({ name }) => name).sort(), [
    'admin',
    'ann',
  ])
  assert.doesNotMatch(listed.out + second.err, /flk_[0-9a-f]{12}_[0-9a-f]/)
  const bot = await flotilla(['keys', 'create', 'bot', '--role', 'approver'], { env })
  assert.match(bot.err, /calls that need one are decided by keys with a --user/)
  assert.doesNotMatch(second.err, /decided/)
  const fleet = await startServices([], { env: { ...env, HOST: '0.0.0.0' } })
  await fleet.ready()
  assert.deepEqual(await statuses(fleet.url, [null, second.out.trim(), key]), [401, 403, 200])
  const without = await flotilla(['topics'], { env })
  assert.deepEqual(
    [without.code, /UNAUTHENTICATED.*\n.*FLOTILLA_API_KEY/.test(without.err)],
    [77, true],
    without.err,
  )
  const file = join(folder(), 'key')
  writeFileSync(file, `${key}\n`)
  const withKey = await flotilla(['topics', '--json'], { env: { ...env, FLOTILLA_API_KEY_FILE: file } })
  assert.equal(withKey.code, 0, withKey.err)
  const ran = await flotilla(['run', 'hello', '--json'], {
    env: { ...env, FLOTILLA_API_KEY: second.out.trim() },
  })
  assert.equal((JSON.parse(ran.out) as { userId: string }).userId, 'ann')
  const revoked = await flotilla(['keys', 'revoke', key], { env: { ...env, FLOTILLA_API_KEY: key } })
  assert.match(revoked.out, new RegExp(`${id}.*is revoked`))
  assert.deepEqual(await statuses(fleet.url, [key]), [401])
  assert.equal(await fleet.drain(), 0)
})

test('a key of a fleet on Kafka is made in its database, not in a file beside the command', async () => {
  const env = { KAFKA_BROKERS: '127.0.0.1:1', FLOTILLA_DATA: join(folder(), 'data') }
  const refused = await flotilla(['keys', 'create', 'admin', '--role', 'admin'], { env })
  assert.deepEqual([refused.code, refused.out], [78, ''])
  assert.match(refused.err, /set DATABASE_URL to it, or FLOTILLA_URL to a gateway/)
  assert.equal(existsSync(env.FLOTILLA_DATA), false)
  const nothing = await flotilla(['keys'], { env: { FLOTILLA_DATA: env.FLOTILLA_DATA } })
  assert.deepEqual([nothing.code, existsSync(env.FLOTILLA_DATA)], [69, false], nothing.err)
})

test('with FLOTILLA_ADMIN_KEY it starts closed; by a setting also without a key, or open', async () => {
  const env = () => ({ HOST: '0.0.0.0', FLOTILLA_DATA: folder() })
  const file = join(folder(), 'admin')
  writeFileSync(file, ADMIN)
  const [admin, closed, open] = await Promise.all([
    startServices([], { env: { ...env(), FLOTILLA_ADMIN_KEY_FILE: file } }),
    startServices([], { env: { ...env(), FLOTILLA_API_ACCESS: 'closed', LOG_LEVEL: 'warn' } }),
    startServices([], { env: { ...env(), FLOTILLA_API_ACCESS: 'open', LOG_LEVEL: 'warn' } }),
  ])
  await Promise.all([admin, closed, open].map((fleet) => fleet.ready()))
  assert.deepEqual(await statuses(admin.url, [null, `${ADMIN}x`, ADMIN]), [401, 401, 200])
  assert.deepEqual(await statuses(closed.url, [null]), [401])
  assert.deepEqual(await statuses(open.url, [null]), [200])
  // What a process has written arrives by another way than its answers.
  await eventually('both warn', () =>
    [
      /every request of the HTTP API is refused/.test(closed.output()),
      /the HTTP API is open to everyone who reaches 0\.0\.0\.0/.test(open.output()),
    ].every(Boolean),
  )
  await Promise.all([admin, closed, open].map((fleet) => fleet.drain()))
})
