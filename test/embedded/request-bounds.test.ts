// Requests that are well-formed JSON and fit no column, or that are only looked up: refused, and nothing of them is kept.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

let fleet: TestFleet
before(async () => {
  fleet = await startTestFleet({ http: true })
})
after(() => fleet.stop())

async function asked(path: string, body?: unknown): Promise<{ status: number; said: string }> {
  const headers = { 'content-type': 'application/json' }
  const init = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) }
  const answer = await fetch(`${fleet.process.url}${path}`, init)
  return { status: answer.status, said: await answer.text() }
}

const run = {
  ...{
    id: 'ev-1',
    name: 'orders',
    dataset: 'orders.jsonl',
    datasetHash: 'b94d',
    agent: null,
    models: ['default'],
  },
  ...{ epochs: 1, cases: 1, status: 'running', startedAtMs: 1_795_000_000_000, settings: {}, summary: null },
}
const scored = {
  ...{
    caseId: 'a',
    model: 'default',
    epoch: 1,
    taskId: 't1',
    caseHash: 'h',
    status: 'succeeded',
    passed: true,
  },
  ...{
    score: 1,
    scores: [],
    problem: null,
    input: 'hi',
    output: 'hi',
    metadata: {},
    answeredBy: null,
    cost: 0,
  },
  ...{ judgeCost: 0, costIsGuess: false, latencyMs: 1, steps: 1, inputTokens: 1, outputTokens: 1 },
  ...{ errorCode: null, scoredAtMs: 1_795_000_000_000 },
}

test('a run whose figures no ledger reads back is refused, and the list of runs goes on', async () => {
  for (const odd of [
    ...[{ startedAtMs: -1.27e16 }, { startedAtMs: 1.5 }, { endedAtMs: 9e15 }],
    ...[{ cases: 2 ** 31 }, { epochs: 2 ** 31 }],
  ])
    assert.equal((await asked('/v1/evaluations', { ...run, ...odd })).status, 400, JSON.stringify(odd))
  assert.deepEqual(await asked('/v1/evaluations'), { status: 200, said: '[]' })
  assert.equal((await asked('/v1/evaluations', run)).status, 200)
  for (const odd of [
    ...[
      { steps: 2 ** 31 },
      { steps: 0.5 },
      { epoch: 2 ** 31 },
      { inputTokens: 2 ** 53 },
      { outputTokens: 1.5 },
    ],
    { scoredAtMs: 2 ** 60 },
  ]) {
    const { status } = await asked('/v1/evaluations/ev-1/cases', { cases: [{ ...scored, ...odd }] })
    assert.equal(status, 400, JSON.stringify(odd))
  }
  assert.equal((await asked('/v1/evaluations/ev-1/cases', { cases: [scored] })).status, 200)
  assert.equal((await asked('/v1/evaluations/ev-1/export')).status, 200)
})

test('a field that a task does not have is refused, also with the id of a task that was submitted', async () => {
  const task = { taskId: 'once', text: 'hello' }
  assert.equal((await asked('/v1/tasks', task)).status, 202)
  await fleet.client.result('once', { timeoutMs: 120_000 })
  assert.equal((await asked('/v1/tasks', task)).status, 200)
  const { status, said } = await asked('/v1/tasks', { ...task, maxCosts: 1 })
  assert.equal(status, 400)
  assert.match(said, /TASK_INVALID.*unknown field maxCosts/)
})

test('sessions of a user that no name can be are not searched for', async () => {
  const { status, said } = await asked(`/v1/sessions?user=${encodeURIComponent('ann\u009b')}`)
  assert.equal(status, 400)
  assert.match(said, /user must be a name/)
})
