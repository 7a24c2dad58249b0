// Ctrl-C of commands that leave something behind: how they end, and what they print last.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { startProvider } from '../unit/planner/model/provider-server.ts'

const INTERRUPTED = 130
const GATEWAY_MS = 30_000
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

interface Conditions {
  readonly env?: Readonly<Record<string, string>>
  /** Called before each signal. */
  readonly signals?: () => void
}

/** Runs the command, and sends it a SIGINT each time that it says the next of these. */
async function interrupted(
  args: readonly string[],
  cues: readonly RegExp[],
  { env = { FLOTILLA_URL: url }, signals }: Conditions = {},
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
      signals?.()
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
  const once = await interrupted(['eval', file, '--run', 'once'], [/Run once:/])
  assert.equal(once.code, INTERRUPTED)
  assert.match(once.said, / left out: .*interrupted\. flotilla eval resume once does what is left/)
  // The good order waits for the gateway.
  using proxy = await startFaultProxy(url)
  const twice = await interrupted(
    ['eval', file, '--run', 'twice'],
    [/Run twice:/, /stopping; Ctrl-C again/],
    { env: { FLOTILLA_URL: proxy.url }, signals: () => proxy.set({ delayMs: GATEWAY_MS }) },
  )
  assert.equal(twice.code, INTERRUPTED)
  assert.match(twice.said, /Left run twice: flotilla eval resume twice does what is left/)
})

test('the demo ends with the task that was interrupted, and keeps nothing', async (t) => {
  // The first answer of its model does not come before the signal.
  const model = await startProvider(t, () => {})
  const { code, said } = await interrupted(['demo'], [/▸ .*\n[^]*step 1 thinking/], {
    env: { TMPDIR: directory, FLOTILLA_SCRIPTED_URL: model.url },
  })
  assert.equal(code, INTERRUPTED)
  assert.match(said, /TASK_CANCELLED[^]*Left the demo; nothing of it is kept/)
  assert.equal(said.match(/▸/g)?.length, 1, said)
})
