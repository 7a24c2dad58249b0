// The checker itself: it must see each kind of violation, and tell doubt from repetition.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { judge, violations, type Verdict } from './checker.ts'
import { compress, evidenceIn, type Happening } from './evidence.ts'
import { expectedOutput } from './tasks.ts'

const A = 'chaos.tools.0'
const CODE = 'chaos.code.1'
const CANCELLED = 'chaos.cancelled.2'

interface Evidence {
  readonly submitted?: readonly string[]
  readonly model?: readonly object[]
  readonly tools?: readonly object[]
  readonly topics?: readonly object[]
  readonly happenings?: readonly Happening[]
  readonly compressed?: boolean
}

async function verdictOf(given: Evidence): Promise<Verdict> {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-checker-'))
  const files = evidenceIn(directory)
  const { submitted = [], model = [], tools = [], topics = [], happenings = [] } = given
  const write = (file: string, rows: readonly object[]) =>
    writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  write(
    files.clients,
    submitted.map((taskId) => ({ event: 'submitted', taskId, atMs: 1 })),
  )
  write(files.model, model)
  write(files.tools, tools)
  write(files.topics, topics)
  write(files.happenings, happenings)
  try {
    if (given.compressed) await compress(directory)
    return await judge(directory, { model: 'planner', tool: 'tool-executor' })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const modelCall = (task: string, turn: number, callId: string, endedMs: number) => ({
  task,
  turn,
  callId,
  receivedMs: endedMs - 100,
  endedMs,
  outcome: 'answered',
  status: 200,
})
const toolEvent = (tool: string, event: string, task: string, callId: string, atMs: number, item = 0) => ({
  tool,
  event,
  task,
  turn: 1,
  item,
  callId,
  atMs,
})
const record = (topic: string, type: string, timestampMs: number, data: object) => ({
  topic,
  partition: 0,
  offset: 0,
  timestampMs,
  type,
  data,
})
const result = (taskId: string, status = 'succeeded', output: unknown = expectedOutput(taskId)) =>
  record('tasks.completed', 'TaskCompleted', 9_000, { taskId, status, output })
const modelRecorded = (taskId: string, step: number, atMs: number) =>
  record('tasks.history', 'TaskProgressed', atMs, { taskId, stage: 'planner', kind: 'model_called', step })
const requested = (callId: string, task: string, item: number) =>
  record('tools.requested', 'ToolRequested', 1_000, {
    taskId: task,
    callId,
    tool: 'lookup',
    requester: 'code-sandbox',
    arguments: { task, turn: 1, item },
  })
const happened = (what: Happening['what'], name: string, atMs: number, lastsMs = 10): Happening => ({
  what,
  name,
  atMs,
  goneMs: atMs + Math.min(10, lastsMs),
  untilMs: atMs + lastsMs,
})

const twice = [modelCall(A, 1, 'c1', 1_000), modelCall(A, 1, 'c1', 5_000)]
const counts = ({ repeatedModelCalls, inDoubt }: Verdict) => [repeatedModelCalls.length, inDoubt.length]

test('a clean run has no violation, compressed or not', async () => {
  const clean = {
    submitted: [A],
    model: [modelCall(A, 1, 'c1', 1_000)],
    tools: [toolEvent('charge', 'arrived', A, 'x', 1_100)],
    topics: [result(A)],
  }
  for (const compressed of [false, true]) {
    const verdict = await verdictOf({ ...clean, compressed })
    assert.deepEqual(violations(verdict), [])
    assert.deepEqual([verdict.submitted, verdict.completed, verdict.modelCalls], [1, 1, 1])
  }
})

test('a task without a result is lost, one with two is duplicated, one with another result is told', async () => {
  const submitted = ['a', 'b', 'c', 'd', CANCELLED].map((id) => (id.includes('.') ? id : `chaos.tools.${id}`))
  const [, b = '', c = '', d = ''] = submitted
  const topics = [result(b), result(b), result(c, 'failed', null), result(d, 'succeeded', 'incomplete')]
  const verdict = await verdictOf({ submitted, topics: [...topics, result(CANCELLED, 'cancelled', null)] })
  assert.deepEqual([verdict.lost, verdict.duplicated, verdict.unexpected.length], [[submitted[0]], [b], 2])
  assert.equal(violations(verdict).length, 4)
})

test('a submission that nobody acknowledged but that is on its topic must have a result too', async () => {
  const topics = [record('tasks.submitted', 'TaskSubmitted', 1_000, { taskId: A, text: 'x' })]
  assert.deepEqual((await verdictOf({ topics })).lost, [A])
})

test('a second answer is a repetition; right after a kill of the caller it is in doubt', async () => {
  const kills: Happening[][] = [
    [],
    [happened('kill', 'planner', 1_200)],
    [happened('kill', 'all', 1_200)],
    [happened('kill', 'tool-executor', 1_200)],
    [happened('kill', 'planner', 2_000)],
  ]
  const verdicts = await Promise.all(kills.map((happenings) => verdictOf({ model: twice, happenings })))
  assert.deepEqual(verdicts.map(counts), [
    [1, 0],
    [0, 1],
    [0, 1],
    [1, 0],
    [1, 0],
  ])
})

test('a call that was under way when its caller was killed is counted apart', async () => {
  const at = async (killMs: number) => {
    const verdict = await verdictOf({ model: twice, happenings: [happened('kill', 'planner', killMs)] })
    return [...counts(verdict), verdict.cutOff.length]
  }
  // The first answer left at 1,000 ms.
  assert.deepEqual(await Promise.all([920, 945, 1_000, 1_001].map(at)), [
    [1, 0, 0],
    [0, 0, 1],
    [0, 0, 1],
    [0, 1, 0],
  ])
})

test('the time of doubt is as long as answers took in this run when nothing happened', async () => {
  const slow = modelCall(A, 2, 'c2', 50_000)
  const topics = [modelRecorded(A, 2, 51_100)]
  const happenings = [happened('kill', 'planner', 2_000)]
  const verdict = await verdictOf({ model: [...twice, slow], topics, happenings })
  assert.deepEqual([...counts(verdict), verdict.settleMs], [0, 1, 1_100])
})

test('while Redis is away nothing can be recorded: a kill before it is back leaves doubt', async () => {
  const kill = happened('kill', 'planner', 4_000)
  const verdicts = [
    await verdictOf({ model: twice, happenings: [happened('redis', 'SIGKILL', 1_100, 2_000), kill] }),
    await verdictOf({ model: twice, happenings: [kill] }),
  ]
  assert.deepEqual(verdicts.map(counts), [
    [0, 1],
    [1, 0],
  ])
})

test('no doubt is left once the outcome was on a topic', async () => {
  const happenings = [happened('kill', 'planner', 1_200)]
  const verdict = await verdictOf({ model: twice, happenings, topics: [modelRecorded(A, 1, 1_150)] })
  assert.deepEqual(counts(verdict), [1, 0])
})

test('the same turn under another id is a repetition, whatever was killed', async () => {
  const model = [modelCall(A, 1, 'c1', 1_000), modelCall(A, 1, 'c2', 5_000)]
  assert.deepEqual(counts(await verdictOf({ model, happenings: [happened('kill', 'all', 1_100)] })), [1, 0])
})

test('a tool that is answered again is a repetition, as a model is', async () => {
  const tools = [1_000, 5_000].flatMap((atMs) => [
    toolEvent('lookup', 'arrived', A, 'y', atMs - 500),
    toolEvent('lookup', 'answered', A, 'y', atMs),
  ])
  const happenings = [happened('kill', 'tool-executor', 1_100)]
  assert.equal((await verdictOf({ tools })).repeatedToolCalls.length, 1)
  assert.equal((await verdictOf({ tools, happenings })).inDoubt.length, 1)
})

test('a tool that is not idempotent may arrive once, whatever was killed and whether it was answered', async () => {
  const tools = [
    toolEvent('charge', 'arrived', A, 'x', 1_000),
    toolEvent('charge', 'aborted', A, 'x', 1_100),
    toolEvent('charge', 'arrived', A, 'x', 5_000),
  ]
  const { ranTwice } = await verdictOf({ tools, happenings: [happened('kill', 'all', 1_050)] })
  assert.deepEqual(ranTwice, ['charge x arrived 2 times', `charge ${A} arrived 2 times`])
})

test('a code step that asks again for a tool call, or does not finish, has restarted', async () => {
  const once = [requested('r.0', CODE, 0), requested('r.1', CODE, 1)]
  const ended = (status: string) =>
    record('code.completed', 'CodeCompleted', 2_000, {
      taskId: CODE,
      step: 1,
      status,
      error: { message: 'lost' },
    })
  const clean = await verdictOf({ topics: [...once, ended('finished')] })
  assert.deepEqual([clean.codeSteps, clean.restartedSteps], [1, []])
  const again = await verdictOf({ topics: [...once, requested('s.0', CODE, 0), ended('failed')] })
  assert.equal(again.restartedSteps.length, 2)
})

test('a dead letter is a violation', async () => {
  const topics = [record('dead-letters', 'DeadLettered', 1_000, { reason: 'x' })]
  assert.equal(violations(await verdictOf({ topics })).length, 1)
})
