import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
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

test('a process that may open no more files is refused another one, and lives', async () => {
  const program = join(import.meta.dirname, '../../../../services/code-sandbox/executors/program.ts')
  const source = `
    import { spawn } from 'node:child_process'
    import { closeSync, openSync } from 'node:fs'
    import { withPipes } from ${JSON.stringify(program)}
    const open = []
    try { for (;;) open.push(openSync('/dev/null')) } catch {}
    const start = () => withPipes(spawn('true', [], { stdio: ['ignore', 'pipe', 'pipe'] }))
    let refusal
    try { start() } catch (error) { refusal = error }
    await new Promise((settle) => setImmediate(settle))
    for (const file of open) closeSync(file)
    const child = start()
    child.once('close', (code) => console.log(refusal?.code, refusal?.message, code))`
  const script = ['-c', 'ulimit -n 64; exec "$0" --input-type=module -e "$1"', process.execPath, source]
  const { stdout } = await promisify(execFile)('bash', script)
  assert.match(stdout, /^SANDBOX_UNAVAILABLE too many files are open .*\(ulimit -n\) 0$/m)
})
