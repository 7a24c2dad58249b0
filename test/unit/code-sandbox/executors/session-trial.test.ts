// When a step stopped its interpreter, whether the session is tried out, and what a rebuild costs it. The interpreters are
// scripted: a word of the code says what becomes of the step.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { frameBytes } from '../../../../services/code-sandbox/executors/frames.ts'
import { Interpreter } from '../../../../services/code-sandbox/executors/interpreter.ts'
import { SessionExecutor } from '../../../../services/code-sandbox/executors/session-executor.ts'
import { TestSession } from '../../../sandbox/suite/session.ts'

const NOTHING = { value: null, final: false, answer: null, error: null }
const FULL = { t: 'trap', message: 'MemoryError', full: true }

/**
 * `hang` never ends, `fill` ends at the memory limit; after `poison` every step hangs, after `flood` every step
 * ends at the memory limit.
 */
function scripted(): Interpreter {
  let state = ''
  const kill = (): void => queueMicrotask(() => interpreter.closed('the process ended (9)'))
  const write = (bytes: Buffer): void => {
    const { code } = JSON.parse(bytes.subarray(4).toString()) as { code: string }
    if (state === 'poison' || code === 'hang') return
    if (code === 'poison' || code === 'flood') state = code
    const isFull = code === 'fill' || (state === 'flood' && code !== 'flood')
    const answer = isFull ? FULL : { t: 'finished', dropped: 0, result: NOTHING }
    queueMicrotask(() => interpreter.receive(frameBytes(answer)))
  }
  const interpreter: Interpreter = new Interpreter({ write, kill })
  queueMicrotask(() => interpreter.receive(frameBytes({ t: 'ready' })))
  return interpreter
}

function start({ trialMs }: { trialMs: number }) {
  const source = { start: () => Promise.resolve(scripted()), check: () => Promise.resolve() }
  let rebuilt = 0
  const watch = { live: () => {}, rebuilt: () => void rebuilt++ }
  const executor = new SessionExecutor('scripted', source, { max: 2, warm: 0, trialMs, watch })
  after(() => executor.close())
  const session = new TestSession(executor)
  session.limits = { ...session.limits, timeoutMs: 20 }
  /** The code of the error, and what was lost. */
  const run = async (code: string) => {
    const { error, lost } = await session.step(code)
    return `${error?.code ?? 'fine'}, ${lost} lost`
  }
  return { run, rebuilds: () => rebuilt }
}

const SHORT = { trialMs: 60_000 }
const LONG = { trialMs: -1 }

test('a session whose every step hangs is reset at the second one, and goes on', async () => {
  const { run } = start(SHORT)
  assert.equal(await run('poison'), 'fine, nothing lost')
  assert.equal(await run('x'), 'CODE_TIMEOUT, step lost')
  assert.equal(await run('y'), 'CODE_TIMEOUT, session lost')
  assert.equal(await run('z'), 'fine, nothing lost')
})

test('steps that hang by themselves lose nothing else, however many', async () => {
  const { run } = start(SHORT)
  await run('x')
  for (let times = 0; times < 3; times++) assert.equal(await run('hang'), 'CODE_TIMEOUT, step lost')
  assert.equal(await run('y'), 'fine, nothing lost')
})

test('a session that is quick to rebuild is tried out at once', async () => {
  const { run, rebuilds } = start(SHORT)
  await run('x')
  assert.equal(await run('fill'), 'CODE_MEMORY, step lost')
  await run('y')
  assert.equal(rebuilds(), 2)
  const full = start(SHORT)
  await full.run('flood')
  assert.equal(await full.run('y'), 'CODE_MEMORY, session lost')
})

test('one that takes long is rebuilt once, and tried out at the second such step in a row', async () => {
  const { run, rebuilds } = start(LONG)
  await run('x')
  assert.equal(await run('fill'), 'CODE_MEMORY, step lost')
  await run('y')
  assert.equal(rebuilds(), 1)
  const full = start(LONG)
  await full.run('flood')
  assert.equal(await full.run('y'), 'CODE_MEMORY, step lost')
  assert.equal(await full.run('z'), 'CODE_MEMORY, session lost')
  assert.equal(await full.run('z'), 'fine, nothing lost')
})
