// Shadows beside each other, of tasks that agents asked, of turns of sessions, and of tasks whose records go meanwhile.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import type { EvaluationCase, EvaluationRun } from '../../api/schemas/evaluations.ts'
import type { TaskInput, TaskResult } from '../../client/types.ts'
import { shadow, type Shadowed } from '../../evaluation/shadow.ts'
import { httpOperator, type Operator } from '../../operator/index.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

let model: ScriptedModel
let fleet: TestFleet
let operator: Operator
let asked = 0
const askedOf = new Map<string, number>()

const CANDIDATE = 'openai/gpt-3.5-turbo'

let effects = 0
const act = defineTool({
  name: 'act',
  description: 'Has an effect outside.',
  input: z.object({ on: z.string() }),
  output: z.string(),
  run: ({ on }) => {
    effects += 1
    return `acted on ${on}`
  },
})

/** Answers with the first message of the conversation, and how often it has answered in it. */
function script({ task, turn }: Exchange) {
  asked += 1
  askedOf.set(task, (askedOf.get(task) ?? 0) + 1)
  if (task.startsWith('act') && turn === 0) return { toolCalls: [{ name: 'act', arguments: { on: task } }] }
  if (task === 'have it done' && turn === 0)
    return { toolCalls: [{ name: 'ask_helper', arguments: { task: 'do it' } }] }
  return { text: `${task}, ${turn}` }
}

before(async () => {
  model = await startScriptedModel({ script })
  fleet = await startTestFleet({
    http: true,
    definition: {
      tools: [act],
      models: { default: 'openai/gpt-4o', providers: { openai: { baseUrl: model.url } } },
      agents: {
        default: { mode: 'tools' },
        lead: { mode: 'tools', tools: [], delegates: ['helper'] },
        helper: { mode: 'tools', tools: [] },
      },
      defaultAgent: 'default',
    },
  })
  operator = httpOperator(fleet.process.url ?? '')
})
after(async () => {
  await fleet.stop()
  await model.stop()
})

async function ask(task: TaskInput): Promise<TaskResult> {
  const { taskId } = await fleet.client.submit(task)
  const result = await fleet.client.result(taskId, { timeoutMs: 120_000 })
  assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
  return result
}

const runOf = (id: string): EvaluationRun => ({
  id,
  name: 'shadow',
  dataset: 'tasks',
  datasetHash: 'tasks',
  agent: null,
  models: [CANDIDATE],
  epochs: 1,
  cases: 0,
  status: 'running',
  startedAtMs: Date.now(),
  endedAtMs: null,
  settings: {},
  position: null,
  summary: null,
})

async function session(
  id: string,
  sinceMs: number,
  forks: Partial<Operator['forks']> = {},
): Promise<Shadowed> {
  const run = await operator.evaluations.save(runOf(id))
  return shadow(
    run,
    { sinceMs, sample: 1, candidate: { model: CANDIDATE }, tools: 'recorded', follow: false },
    { limit: null, concurrency: 3, maxCost: null },
    {
      client: fleet.client,
      operator: { ...operator, forks: { ...operator.forks, ...forks } },
      signal: new AbortController().signal,
      onCase: () => {},
    },
  )
}

const idsOf = ({ cases }: Shadowed) => cases.map(({ caseId }) => caseId).toSorted()

test('two sessions of one run at once: every task is paid for once', async () => {
  const sinceMs = Date.now()
  const origins: string[] = []
  for (let number = 1; number <= 6; number += 1) origins.push((await ask({ text: `real ${number}` })).taskId)
  const before = asked
  const both = await Promise.all([session('two', sinceMs), session('two', sinceMs)])
  for (const each of both) assert.deepEqual([idsOf(each), each.leftOut], [origins.toSorted(), 0])
  assert.equal(asked - before, 6)
  assert.deepEqual(idsOf(await session('two', sinceMs)), origins.toSorted())
  assert.equal(asked - before, 6)
})

test('what an agent asked another one is part of that task, and no task of its own', async () => {
  const sinceMs = Date.now()
  const { taskId, steps } = await ask({ text: 'have it done', agent: 'lead' })
  assert.ok(steps[0]?.toolCalls[0]?.child)
  const labelled = await ask({ text: 'mine', parent: taskId })
  const shadowed = await session('tree', sinceMs)
  assert.deepEqual(idsOf(shadowed), [taskId, labelled.taskId].toSorted())
  assert.deepEqual(shadowed.skipped, [])
})

test('a turn of a session is asked with the conversation that it was given', async () => {
  const sinceMs = Date.now()
  const turn = { sessionId: 'talk', userId: 'ann' }
  await ask({ ...turn, text: 'a first thing' })
  const second = await ask({ ...turn, text: 'and another' })
  assert.equal(second.output, 'a first thing, 1')
  const shadowed = await session('talk', sinceMs)
  assert.deepEqual(shadowed.cases.map(({ passed, output }) => [passed, output]).toSorted(), [
    [true, 'a first thing, 0'],
    [true, 'a first thing, 1'],
  ])
  const fork = await operator.forks.fork(second.taskId)
  assert.equal((await fleet.client.result(fork.taskId, { timeoutMs: 120_000 })).output, second.output)
  const third = await ask({ ...turn, text: 'the last' })
  assert.equal(third.output, 'a first thing, 2', 'neither was remembered')
  assert.equal((await operator.forks.submission(third.taskId)).history?.length, 4)
})

test('records that go while a task runs again, or are too far back: what was paid is counted, the others go on', async () => {
  const sinceMs = Date.now()
  const [one, two] = [await ask({ text: 'one' }), await ask({ text: 'two' })]
  const shadowed = await session('gone', sinceMs, {
    compare: () => Promise.reject(new FlotillaError('TASK_OPEN', 'the log no longer has its result')),
    submission: (taskId) =>
      taskId === two.taskId
        ? Promise.reject(new FlotillaError('SEARCH_UNFINISHED', 'it is too far back'))
        : operator.forks.submission(taskId),
  })
  assert.deepEqual(idsOf(shadowed), [one.taskId])
  assert.deepEqual(shadowed.skipped, [{ taskId: two.taskId, why: 'it is too far back' }])
})

test('killed at one point after the other, it goes on: every task is paid for once, and no tool is called', async () => {
  const origins: string[] = []
  for (let number = 1; number <= 8; number += 1) origins.push((await ask({ text: `act ${number}` })).taskId)
  assert.equal(effects, 8)
  const beforeEffects = effects
  const env = { ...process.env, FLOTILLA_URL: fleet.process.url ?? '', LOG_LEVEL: 'error' }
  const args = ['cli/main.ts', 'shadow', '--run', 'killed', '--concurrency', '2']
  const given = ['--since', '1h', '--model', CANDIDATE, '--sample', '1', '--json']
  /** Kills it at its n-th line on stderr; resolves with its exit code, null if it was killed. */
  const attempt = async (lines: number): Promise<number | null> => {
    const child = spawn(process.execPath, [...args, ...given], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    const closed = once(child, 'close')
    let seen = 0
    createInterface({ input: child.stderr }).on('line', () => {
      seen += 1
      if (seen === lines) child.kill('SIGKILL')
    })
    const [code] = (await closed) as [number | null]
    return code
  }
  let code: number | null = null
  for (let lines = 1; lines <= 6; lines += 1) code = await attempt(lines)
  while (code === null) code = await attempt(1_000)
  assert.equal(code, 0)
  const stored: string[] = []
  for await (const text of operator.evaluations.export('killed', 'json')) stored.push(text)
  const rows = stored
    .join('')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as EvaluationCase)
  const own = rows.filter(({ caseId }) => origins.includes(caseId))
  assert.deepEqual([own.length, own.every(({ passed }) => passed)], [8, true])
  assert.equal(effects, beforeEffects)
  for (let number = 1; number <= 8; number += 1)
    assert.equal(askedOf.get(`act ${number}`), 4, 'two answers for the user, and two for the candidate')
})

test('a position of a log that was made again says nothing of the new one', async () => {
  for (let number = 0; number < 8; number += 1) await ask({ text: `here ${number}` })
  const there = await operator.results.page({ limit: 500 })
  assert.deepEqual((await operator.results.page({ after: there.after })).results, [])
  await using other = await startTestFleet({ model: { script }, http: true })
  const { taskId } = await other.client.submit({ text: 'elsewhere' })
  await other.client.result(taskId, { timeoutMs: 120_000 })
  const early = await httpOperator(other.process.url ?? '').results.page()
  assert.equal(early.results.length, 1)
  const page = await operator.results.page({ after: early.after, limit: 500 })
  assert.deepEqual(page.results, there.results)
  const old = early.after.split('@')[0] ?? ''
  const behind = await operator.results.page({ after: old, limit: 500 })
  assert.equal(behind.results.length, there.results.length - 1, 'one that names no log')
})
