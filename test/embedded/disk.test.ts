// Disks that take no more: a limit of file sizes of this process is one that a test can set everywhere.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const main = join(import.meta.dirname, '../../cli/main.ts')
const directory = mkdtempSync(join(tmpdir(), 'flotilla-disk-'))
after(() => rmSync(directory, { recursive: true, force: true }))

function run(limit: string, dataDir: string): Promise<{ code: number | null; err: string }> {
  const command = `${limit} exec "$0" "$1" run --model scripted 'what is left?'`
  const env = {
    PATH: process.env['PATH'],
    FLOTILLA_DATA: dataDir,
    FLOTILLA_PARTITIONS: '1',
    LOG_LEVEL: 'error',
  }
  const child = spawn('bash', ['-c', command, process.execPath, main], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let err = ''
  child.stderr.on('data', (text: Buffer) => (err += text.toString()))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, err })))
}

test('a disk that takes no more ends a command with what helps, and the same directory works once it does', async () => {
  const dataDir = join(directory, 'full')
  const full = await run('ulimit -f 100;', dataDir)
  assert.equal(full.code, 69, full.err)
  assert.match(full.err, /^(LOG|STORE)_UNAVAILABLE: .*ulimit -f/m)
  assert.doesNotMatch(full.err, /^ {4}at /m, 'no stack')
  const { code, err } = await run('', dataDir)
  assert.equal(code, 0, err)
})
