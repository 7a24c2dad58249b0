// A data file of each release, opened by this one: what had ended is there, and what was open goes on.
//
// test/golden/data-files holds the file of an embedded fleet that was killed by SIGKILL with the planner paused. In it
// done-tools (with feedback) and done-code have ended; open-expired was admitted, and its time is over since.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import { demoTasks } from '../../examples/demo-tasks.ts'
import { startServices } from '../support/service-process.ts'

const files = join(import.meta.dirname, '../golden/data-files')
const config = join(import.meta.dirname, '../../examples/flotilla.config.ts')
const releases = readdirSync(files).filter((name) => name.endsWith('.db.zst'))

interface Shown {
  readonly status: string
  readonly output: string | null
}

test('there is a file of each release before this one', () => {
  assert.deepEqual(releases, ['0.1.0.db.zst'])
})

for (const release of releases)
  test(`${release}: results, ledger and open tasks`, { timeout: 120_000 }, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'flotilla-upgrade-'))
    t.after(() => rmSync(directory, { recursive: true, force: true }))
    const dataDir = join(directory, 'data')
    mkdirSync(dataDir)
    writeFileSync(join(dataDir, 'flotilla.db'), zstdDecompressSync(readFileSync(join(files, release))))
    const fleet = await startServices([], { env: { FLOTILLA_CONFIG: config, FLOTILLA_DATA: dataDir } })
    t.after(() => fleet.drain())
    await fleet.ready()
    const headers = { 'content-type': 'application/json' }
    const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
      const given = body === undefined ? {} : { body: JSON.stringify(body) }
      const answer = await fetch(`${fleet.url}${path}`, { method, headers, ...given })
      const text = await answer.text()
      assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
      return JSON.parse(text)
    }
    const result = async (id: string) => (await ask('GET', `/v1/tasks/${id}/result?wait=20`)) as Shown

    for (const id of ['done-tools', 'done-code']) assert.equal((await result(id)).status, 'succeeded', id)
    const listed = JSON.stringify(await ask('GET', '/v1/tasks'))
    for (const id of ['done-tools', 'done-code', 'open-expired'])
      assert.ok(listed.includes(`"${id}"`), listed)
    await ask('POST', '/v1/fleet/pauses', { paused: false, stage: 'planner' })
    assert.equal((await result('open-expired')).status, 'timed_out')
    const [task] = demoTasks
    const { text = '', mode } = task ?? {}
    assert.equal(((await ask('POST', '/v1/tasks?wait=30', { text, mode })) as Shown).status, 'succeeded')
  })
