// A minute of the kill test, as anybody would run it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const main = join(import.meta.dirname, 'kill-test/main.ts')

test('a minute of kills on three brokers: nothing is lost, nothing is done twice', async () => {
  const out = mkdtempSync(join(tmpdir(), 'flotilla-kill-test-'))
  const child = spawn(process.execPath, [main, '--minutes', '1', '--out', out], { stdio: 'inherit' })
  const [code] = (await once(child, 'exit')) as [number | null]
  const table = code === 0 ? readFileSync(join(out, 'table.md'), 'utf8') : ''
  assert.equal(code, 0, `the verdict is above, and its evidence in ${out}`)
  const promises = ['tasks lost', 'results duplicated', 'journalled model calls repeated']
  for (const promise of [...promises, 'calls not made once as decided', 'turns out of order, or two at once'])
    assert.match(table, new RegExp(`\\| ${promise} \\| 0 \\|`))
  for (const exercised of [
    'tasks that agents delegated',
    'waits for a person that ended',
    'turns of sessions',
  ])
    assert.match(table, new RegExp(`\\| ${exercised} \\| [1-9]`))
  rmSync(out, { recursive: true, force: true })
})
