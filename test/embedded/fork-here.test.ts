// `flotilla fork` where no fleet runs: it runs the fork itself, as `flotilla run` does.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { flotilla } from '../support/command.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-fork-'))
after(() => rmSync(dataDir, { recursive: true, force: true }))
// Nothing listens on this port.
const env = { FLOTILLA_DATA: dataDir, FLOTILLA_MODEL: 'scripted', FLOTILLA_PARTITIONS: '3', PORT: '9' }

test('a fork is run to its end, or left to the next start', async () => {
  const ran = await flotilla(['run', '--json', '--mode', 'tools', 'task=one'], { env })
  assert.equal(ran.code, 0, ran.err)
  const { taskId } = JSON.parse(ran.out) as { taskId: string }
  const forked = await flotilla(['fork', taskId, '--json'], { env })
  assert.equal(forked.code, 0, forked.err)
  const result = JSON.parse(forked.out) as { forkedFrom: string; status: string }
  assert.deepEqual([result.forkedFrom, result.status], [taskId, 'succeeded'])
  const left = await flotilla(['fork', taskId, '--no-wait'], { env })
  assert.deepEqual([left.code, /the next start takes it/.test(left.err)], [0, true], left.err)
})
