// Ctrl-C of commands that leave something behind: how they end, and what they print last.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

const INTERRUPTED = 130
const directory = mkdtempSync(join(tmpdir(), 'flotilla-interrupts-'))
const main = join(import.meta.dirname, '../../cli/main.ts')
let fleet: TestFleet
let url = ''

before(async () => {
  // One step after another, for as long as a test lasts.
  const script = () => ({ toolCalls: [{ name: 'echo', arguments: { text: 'hi' } }] })
  fleet = await startTestFleet({ http: true, model: { script, latencyMs: 1_000 } })
  url = fleet.process.url ?? ''
})
after(async () => {
  await fleet.stop()
  rmSync(directory, { recursive: true, force: true })
})

/** Runs the command, and sends it a SIGINT each time that it says the next of these. */
async function interrupted(
  args: readonly string[],
  cues: readonly RegExp[],
  env: Readonly<Record<string, string>> = { FLOTILLA_URL: url },
): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env['PATH'], FLOTILLA_PARTITIONS: '3', LOG_LEVEL: 'error', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'close')
  const left = [...cues]
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    if (left[0]?.test(said)) {
      left.shift()
      child.kill('SIGINT')
    }
  })
  const [code] = (await ended) as [number | null]
  assert.deepEqual(left, [], said)
  return { code, said }
}

test('a task that is watched goes on, and the commands for it are named', async () => {
  const { taskId } = await fleet.client.submit({ text: 'hello', maxSteps: 50 })
  const { code, said } = await interrupted(['watch', taskId], [/step \d+ tools/])
  assert.equal(code, INTERRUPTED)
  assert.ok(said.includes(`flotilla watch ${taskId} follows it, flotilla cancel ${taskId} ends it`), said)
  assert.equal(await fleet.client.find(taskId), null)
})

test('an evaluation: the first Ctrl-C ends it in good order, the second at once, and both say how to go on', async () => {
  const file = join(directory, 'cases.jsonl')
  writeFileSync(file, '{"id": "a", "input": "hello", "expected": "late"}')
  for (const [id, cues] of [
    ['once', [/Run once:/]],
    ['twice', [/Run twice:/, /stopping; Ctrl-C again/]],
  ] as const) {
    const { code, said } = await interrupted(['eval', file, '--run', id], cues)
    assert.equal(code, INTERRUPTED)
    assert.match(said, new RegExp(`flotilla eval resume ${id} does what is left`))
  }
})

test('the demo ends with the task that was interrupted, and keeps nothing', async () => {
  const { code, said } = await interrupted(['demo'], [/▸ .*\n[^]*step 1 thinking/], { TMPDIR: directory })
  assert.equal(code, INTERRUPTED)
  assert.match(said, /TASK_CANCELLED[^]*Left the demo; nothing of it is kept/)
  assert.equal(said.match(/▸/g)?.length, 1, said)
})
