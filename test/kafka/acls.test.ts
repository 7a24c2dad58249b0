// `flotilla topics --acls` where the broker keeps no access lists, as the one of these tests.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flotilla } from '../support/command.ts'
import { fleetEnvironment } from '../support/servers.ts'

test('a broker without an authorizer: what is wrong, what to set, and what was done', async () => {
  const { code, err } = await flotilla(['topics', '--create', '--acls'], { env: fleetEnvironment('acls') })
  assert.equal(code, 69, err)
  assert.match(
    err,
    /creating access lists: the broker keeps none; set authorizer\.class\.name on it, or leave out --acls/,
  )
  const { code: created, out } = await flotilla(['topics', '--create', '--json'], {
    env: fleetEnvironment('acls'),
  })
  assert.equal(created, 0)
  assert.ok((JSON.parse(out) as { partitions: number }[]).every(({ partitions }) => partitions > 0))
})
