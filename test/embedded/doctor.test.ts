// `flotilla doctor` looks, and holds nothing that a fleet needs.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspectDataFile, openDataFile } from '../../runtime/store/data-file.ts'
import { flotilla } from '../support/command.ts'

const temporary = (t: { after(work: () => void): void }): string => {
  const made = mkdtempSync(join(tmpdir(), 'flotilla-doctor-test-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

test('doctor takes no lock: it works while another process holds the data directory, and leaves no file', async (t) => {
  const dataDir = join(temporary(t), 'data')
  const asked = async () => {
    const ended = await flotilla(['doctor', '--json'], { env: { FLOTILLA_DATA: dataDir } })
    const findings = JSON.parse(ended.out) as { check: string; result: string; reason: string }[]
    return findings.find(({ check }) => check === 'data directory')
  }
  const { result, reason = '' } = (await asked()) ?? {}
  assert.equal(result, 'ok')
  assert.match(reason.replace(dataDir, ''), /^: new, \d+ MB free$/)
  assert.ok(!existsSync(dataDir))
  const file = openDataFile({ dataDir })
  t.after(() => file.release())
  assert.equal((await asked())?.result, 'ok')
})

test('a data file is inspected while it is open, and one that no fleet could use is reported', (t) => {
  const dataDir = temporary(t)
  assert.equal(inspectDataFile(join(dataDir, 'not', 'yet')), 'new')
  writeFileSync(join(dataDir, 'flotilla.db'), 'no database at all, but long enough to be looked at')
  assert.throws(() => inspectDataFile(dataDir), { code: 'LOG_UNAVAILABLE', message: /flotilla\.db: / })
})
