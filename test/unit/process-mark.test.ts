// The proof that a process is dead: never of one that lives, stopped or not, and at once of one that was killed.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { isProvenDead, ownMark } from '../../runtime/process-mark.ts'

const module = new URL('../../runtime/process-mark.ts', import.meta.url).href
const program = `const { ownMark } = await import('${module}'); console.log(await ownMark()); setInterval(() => {}, 60_000)`

/** Another process, and its mark. */
async function other(t: TestContext): Promise<{ child: ChildProcess; mark: string }> {
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program]
  const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  return { child, mark: line.toString().trim() }
}

test('a process is proven dead once it was killed, not while it is stopped', async (t) => {
  const { child, mark } = await other(t)
  assert.match(mark, /^[0-9a-f]{16}\.[0-9a-f]{32}$/)
  assert.equal(await isProvenDead(mark), false)
  child.kill('SIGSTOP')
  assert.equal(await isProvenDead(mark), false)
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
  assert.deepEqual([await isProvenDead(mark), await isProvenDead(mark)], [true, true])
})

test('nothing is proved of this process, of one elsewhere, or by a text that is no mark', async () => {
  const own = (await ownMark()) ?? ''
  assert.equal(own, await ownMark())
  const [, name = ''] = own.split('.')
  const dead = '0'.repeat(32)
  const ofOthers = [own, `${'0'.repeat(16)}.${dead}`, `${'0'.repeat(16)}.${name}`]
  for (const mark of [...ofOthers, '', 'x', `${own}\n`, `${own.slice(0, 17)}../../x`])
    assert.equal(await isProvenDead(mark), false, mark)
  assert.equal(await isProvenDead(own.slice(0, 17) + dead), true)
})
