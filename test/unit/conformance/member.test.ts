// Members of a group that tests make (test/conformance/member.ts): they leave with the test, so that its file ends.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '../../..')

/** A file whose first test fails while its member has lanes, and whose second needs one of them. */
const file = (dataDir: string): string => `
  import { after, test } from 'node:test'
  import { openEmbeddedLog } from '${root}/runtime/log/embedded/log.ts'
  import { TestMember } from '${root}/test/conformance/member.ts'
  const log = openEmbeddedLog({ dataDir: '${dataDir}', partitions: 1 })
  after(() => log.close())
  const member = () => new TestMember(log, 'planner', ['tasks.submitted'])
  test('fails', async () => {
    await log.ensureTopics(['planner'])
    await member().lane(0)
    throw new Error('on purpose')
  })
  test('follows', async () => void (await member().lane(0)))`

test('the member of a test that fails leaves: the next test gets its lanes, and the file ends', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-member-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'member.test.ts')
  writeFileSync(path, file(join(directory, 'data')))
  const env = { PATH: process.env['PATH'], NODE_OPTIONS: '--disable-warning=ExperimentalWarning' }
  const running = promisify(execFile)(process.execPath, ['--test-reporter=tap', path], {
    env,
    timeout: 120_000,
  })
  await assert.rejects(running, (error: { code: unknown; stdout: string }) => {
    assert.equal(error.code, 1, 'it ends by itself')
    assert.match(error.stdout, /^not ok 1 - fails$[^]*^ok 2 - follows$/m)
    return true
  })
})
