// A fleet that npm started, by npx or a script, ends when npm was ended: npm passes no signal on to it. One that a script
// has put into the background goes on, as everything else that is started so.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually } from '../conformance/waiting.ts'

const bin = fileURLToPath(new URL('../../cli/bin.js', import.meta.url))
/** Longer than a fleet takes to see that its shell is gone. */
const SEEN_MS = 3_000

/** A shell with this script, as npm starts it: `flotilla` is the command. */
function npmRuns(t: TestContext, script: string): { shell: ChildProcess; url: Promise<string> } {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-npx-'))
  const pidFile = join(directory, 'pid')
  writeFileSync(
    join(directory, 'flotilla'),
    `#!/bin/sh\necho $$ >"${pidFile}"\nexec "${process.execPath}" "${bin}" "$@"\n`,
    { mode: 0o755 },
  )
  const env = {
    PATH: `${directory}:${process.env['PATH']}`,
    npm_command: 'run',
    npm_lifecycle_script: script,
    FLOTILLA_DATA: join(directory, 'data'),
    FLOTILLA_MODEL: 'scripted',
    PORT: '0',
  }
  // With a command behind it the shell stays.
  const shell = spawn('sh', ['-c', script], { env, stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  t.after(() => {
    try {
      process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL')
    } catch {
      // The fleet has ended.
    }
    rmSync(directory, { recursive: true, force: true })
  })
  const url = new Promise<string>((resolve) => {
    let said = ''
    shell.stderr?.on('data', (chunk: Buffer) => {
      const found = /(http:\S+) +console /.exec((said += String(chunk)))
      if (found) resolve(found[1] as string)
    })
  })
  return { shell, url }
}

const answers = (url: string): Promise<boolean> =>
  fetch(`${url}/health`).then(
    () => true,
    () => false,
  )

// Side by side: most of the time each waits to see that nothing happens.
describe('npm', { concurrency: true, timeout: 240_000 }, () => {
  test('a fleet whose shell was ended drains and ends', async (t) => {
    const { shell, url } = npmRuns(t, 'flotilla start; true')
    await url
    // The pipe closes when the last process that has it is gone.
    const closed = once(shell.stderr ?? shell, 'close')
    shell.kill('SIGTERM')
    await closed
  })

  for (const script of ['flotilla start', 'nohup flotilla start 1>&2', 'setsid flotilla start'])
    test(`a fleet that a script has put into the background goes on: ${script} &`, async (t) => {
      // The shell is there for long enough to be seen.
      const { shell, url } = npmRuns(t, `${script} & sleep 4`)
      await once(shell, 'exit')
      const found = await url
      await pause(SEEN_MS)
      assert.equal(await answers(found), true)
    })

  test('a script whose own commands are in the background, and the fleet is not', async (t) => {
    const { shell, url } = npmRuns(t, 'true "a & b" & flotilla start 1>&2 && true')
    const found = await url
    shell.kill('SIGTERM')
    await eventually('the fleet ends', async () => !(await answers(found)))
  })
})
