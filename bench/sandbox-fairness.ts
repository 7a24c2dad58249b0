// npm run bench:sandbox-fairness [-- --executor wasm|native --hostile 8 --tasks 10 --limit 5000]: how long one
// user's quick task takes alone, and beside users whose every step loops until it is killed. A quick task is a
// new session, a step with a tool call in it, and a step that ends. Each killed step is followed by the next at
// once; the measurement begins when each of them was killed once: until then nothing is known of them. It stops
// by itself, after --minutes at the latest; status 1 if the ratio of the medians is beyond --most.
import { setMaxListeners } from 'node:events'
import { parseArgs } from 'node:util'
import type { StepOptions } from '../services/code-sandbox/executors/port.ts'
import { createNative } from '../test/sandbox/native.ts'
import { TestSession } from '../test/sandbox/suite/session.ts'
import { createWasm } from '../test/sandbox/wasm.ts'
import { percentile } from './measure.ts'

const { values } = parseArgs({
  options: {
    executor: { type: 'string', default: 'wasm' },
    hostile: { type: 'string', default: '8' },
    tasks: { type: 'string', default: '10' },
    limit: { type: 'string', default: '5000' },
    most: { type: 'string', default: '3' },
    minutes: { type: 'string', default: '5' },
  },
})
const [hostile, tasks, limitMs, most, minutes] = (
  ['hostile', 'tasks', 'limit', 'most', 'minutes'] as const
).map((name) => Number(values[name])) as [number, number, number, number, number]

const executor = values.executor === 'native' ? createNative() : createWasm()
const stop = new AbortController()
setMaxListeners(0, stop.signal)
const end = setTimeout(() => stop.abort(new Error(`not done within ${minutes} minutes`)), minutes * 60_000)

/** A session of a user, which ends with the measurement. */
class UserSession extends TestSession {
  readonly #user: string

  constructor(user: string) {
    super(executor)
    this.#user = user
    this.limits = { ...this.limits, timeoutMs: limitMs }
  }

  protected override options(): StepOptions & { tools: TestSession['tools'] } {
    return { ...super.options(), signal: stop.signal, user: this.#user }
  }
}

async function quickTask(): Promise<number> {
  const session = new UserSession('quick')
  const begunMs = performance.now()
  await session.step('found = search("x")')
  const { isFinal, error } = await session.step('final_answer(len(found))')
  if (!isFinal) throw new Error(`the quick task failed: ${error?.message ?? 'no answer'}`)
  const tookMs = performance.now() - begunMs
  // As at the end of a task.
  await executor.discard(session.id)
  return tookMs
}

async function quickTasks(): Promise<number[]> {
  const found: number[] = []
  for (let task = 0; task < tasks; task++) found.push(await quickTask())
  return found
}

async function loopUntilStopped(user: string, known: () => void): Promise<number> {
  const session = new UserSession(user)
  for (let killed = 0; ; killed++) {
    if (killed === 1) known()
    try {
      await session.step('while True: pass')
    } catch (error) {
      if (stop.signal.aborted) return killed
      throw error
    }
    if (stop.signal.aborted) return killed
  }
}

const shown = (all: readonly number[]): string =>
  `p50 ${percentile(all, 0.5).toFixed(0)} ms, most ${Math.max(...all).toFixed(0)} ms`

try {
  await quickTask()
  const alone = await quickTasks()
  console.log(`alone: ${shown(alone)}`)
  const known = Array.from({ length: hostile }, () => Promise.withResolvers<void>())
  const loops = known.map(({ resolve }, index) => loopUntilStopped(`loop-${index}`, resolve))
  await Promise.race([Promise.all(known.map(({ promise }) => promise)), ...loops])
  const beside = await quickTasks()
  stop.abort(new Error('measured'))
  const killed = (await Promise.all(loops)).reduce((sum, count) => sum + count, 0)
  console.log(
    `beside ${hostile} users' endless loops (${killed} steps killed at ${limitMs} ms): ${shown(beside)}`,
  )
  const ratio = percentile(beside, 0.5) / percentile(alone, 0.5)
  console.log(`ratio of the medians: ${ratio.toFixed(1)} (most ${most})`)
  process.exitCode = ratio <= most ? 0 : 1
} finally {
  clearTimeout(end)
  stop.abort(new Error('measured'))
  await executor.close()
}
