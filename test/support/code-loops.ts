// Python loops that call a counting tool that must not run twice, in a session of each code executor at once; and what must
// have become of them, whoever was killed meanwhile.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client, TaskResult } from '../../client/types.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import { python } from '../../runtime/scripted-model/script.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { installedProgram } from '../infra/tool.ts'
import { E2bDouble } from '../sandbox/e2b-double.ts'
import { startServer, TOKEN } from '../sandbox/http-server.ts'
import { executors, type ExecutorName } from './code-loops.config.ts'
import { startToolServer, type ToolEvent } from './tool-server.ts'

export { executors, type ExecutorName }

/** Iterations of each loop, a call in each. */
export const LOOP = 60
/** No loop is further ahead of another, so that each is in its middle whenever one is. */
const AHEAD = 3
const LIMIT_MS = 120_000

export interface CodeLoops extends AsyncDisposable {
  readonly directory: string
  /** For the processes of the fleet. */
  readonly env: Readonly<Record<string, string>>
  /** Whether E2B was told to pause a sandbox that is still there. */
  hasPaused(): boolean
  submit(client: Client): Promise<void>
  /** The iteration that each loop is at, by the last call that arrived. */
  at(): Record<ExecutorName, number>
  /** Resolves when every loop went on by so many iterations. */
  goOn(iterations: number): Promise<void>
  result(client: Client, executor: ExecutorName): Promise<LoopResult>
}

export interface LoopResult {
  readonly result: TaskResult
  /** What each iteration got: `ok`, or the code of the error that its call raised. */
  readonly outcomes: readonly string[]
  /** Items of the calls that arrived at the server, in that order. */
  readonly arrived: readonly number[]
  readonly answered: readonly number[]
}

export interface CodeLoopsOptions {
  /** Besides keeping in step, a call waits for this before it is answered. */
  readonly until?: (call: ToolEvent) => Promise<unknown>
}

/** `docker` needs the engine of the runner; E2B is a double of its API, `http` the server of deploy/. */
export async function startCodeLoops({ until }: CodeLoopsOptions = {}): Promise<CodeLoops> {
  await Promise.all([installedProgram('bwrap', 'bubblewrap'), installedProgram('python3', 'python3')])
  const engine = process.env['DOCKER_HOST']
  assert.ok(engine, 'DOCKER_HOST is not set: run this by node test/run.ts')
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-code-loops-'))
  const log = join(directory, 'tools.jsonl')
  const seen = (event: ToolEvent['event'], task: string): number[] =>
    eventsIn(log).flatMap((one) => (one.event === event && one.task === task ? [one.item] : []))
  const at = () =>
    Object.fromEntries(executors.map((name) => [name, Math.max(-1, ...seen('arrived', name))])) as never
  const slowest = () => Math.min(...Object.values<number>(at()))
  const inStep = ({ item }: ToolEvent) =>
    eventually('the other loops come along', () => slowest() >= item - AHEAD, LIMIT_MS)
  const tools = await startToolServer({
    log,
    latencyMs: () => 50,
    until: async (call) => {
      await inStep(call)
      await until?.(call)
    },
  })
  const model = await startScriptedModel({ script })
  const server = await startServer()
  const double = new E2bDouble()
  await double.listen()
  return {
    directory,
    env: {
      FLOTILLA_CONFIG: join(import.meta.dirname, 'code-loops.config.ts'),
      FLOTILLA_SCRIPTED_URL: model.url,
      FLOTILLA_EXECUTORS: executors.join(),
      TOOL_SERVER_URL: tools.url,
      DOCKER_HOST: engine,
      FLOTILLA_SANDBOX_URL: server.url,
      FLOTILLA_SANDBOX_TOKEN: TOKEN,
      E2B_API_KEY: E2bDouble.key,
      E2B_API_URL: double.url,
      E2B_SANDBOX_URL: double.url,
    },
    hasPaused: () => [...double.boxes.values()].some(({ state }) => state === 'paused'),
    at,
    submit: async (client) => {
      for (const profile of executors)
        await client.submit({ taskId: profile, text: `loop task=${profile}`, mode: 'code', profile })
    },
    goOn: async (iterations) => {
      const before = slowest()
      await eventually('every loop went on', () => slowest() >= before + iterations, LIMIT_MS)
    },
    result: async (client, executor) => {
      const result = await client.result(executor, { timeoutMs: LIMIT_MS })
      assert.equal(result.status, 'succeeded', JSON.stringify(result))
      const [arrived, answered] = [seen('arrived', executor), seen('answered', executor)]
      return { result, outcomes: result.output as string[], arrived, answered }
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([model.stop(), tools.stop(), server.stop()])
      double.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

const eventsIn = (log: string): ToolEvent[] =>
  readFileSync(log, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as ToolEvent)

/** The loop is one step. What it prints and what it leaves in variables must not be lost either. */
function script({ taskMark, turn }: Exchange) {
  if (taskMark === null) return undefined
  if (turn > 0) return { text: python('final_answer(outcomes)') }
  return {
    text: python(`
outcomes = []
for item in range(${LOOP}):
    sum(i * i for i in range(20_000))
    try:
        assert charge(task="${taskMark}", item=item)["item"] == item
        outcomes.append("ok")
    except ToolError as error:
        outcomes.append(error.code)
    print("item", item)`),
  }
}

/** What holds on both logs. */
export function assertWentOn({ result, outcomes, arrived }: LoopResult): void {
  assert.equal(outcomes.length, LOOP)
  assert.deepEqual(
    arrived,
    [...new Set(arrived)].toSorted((a, b) => a - b),
    'an iteration was gone through again',
  )
  const [loop, answer, ...more] = result.steps
  assert.deepEqual([loop?.toolCalls.length, answer?.toolCalls.length, more], [LOOP, 0, []])
  const printed = Array.from({ length: LOOP }, (_, item) => `item ${item}`).join('\n')
  assert.ok(loop?.observation?.includes(printed), loop?.observation ?? 'nothing was printed')
}
