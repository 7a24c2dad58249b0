import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { groupKiller } from '../../../../services/code-sandbox/executors/program.ts'

function sleeper(t: TestContext): ChildProcess {
  const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  return child
}

test('a process is killed with its group', async (t) => {
  const child = sleeper(t)
  groupKiller(child)()
  assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL'])
})

test('one whose former number belongs to another process now is left alone', async (t) => {
  const other = sleeper(t)
  const ended = Object.assign(new EventEmitter(), { pid: other.pid }) as unknown as ChildProcess
  const kill = groupKiller(ended)
  ended.emit('close', 0, null)
  kill()
  // The next signal is the first one.
  other.kill('SIGTERM')
  assert.deepEqual(await once(other, 'exit'), [null, 'SIGTERM'])
})
