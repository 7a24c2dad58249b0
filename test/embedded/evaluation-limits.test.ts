// Runs of evaluations that meet a limit, each other, or a case that can't be asked.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { EvaluationCase, EvaluationRun } from '../../api/schemas/evaluations.ts'
import type { Case, Scorer } from '../../evaluation/cases.ts'
import { runCases, type Outcome, type RunSettings } from '../../evaluation/run.ts'
import { httpOperator, type Operator } from '../../operator/index.ts'
import { createSchemaChecks } from '../../runtime/foreign-schema/checks.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

let model: ScriptedModel
let fleet: TestFleet
let operator: Operator
const schemas = createSchemaChecks()
/** How often a model was asked each text. */
let asked = new Map<string, number>()

/** A `dear` case goes on for as long as it may. */
function script({ task, turn }: Exchange) {
  asked.set(task, (asked.get(task) ?? 0) + 1)
  if (task.startsWith('Grade one answer'))
    return { text: JSON.stringify({ reasons: 'it is there', score: 1 }) }
  if (task.startsWith('dear') || (task.startsWith('below') && turn === 0))
    return { toolCalls: [{ name: 'echo', arguments: { text: `${turn}` } }] }
  if (task.startsWith('delegate') && turn === 0)
    return { toolCalls: [{ name: 'ask_helper', arguments: { task: `say ${task}` } }] }
  return { text: 'fine' }
}

before(async () => {
  model = await startScriptedModel({ script })
  fleet = await startTestFleet({
    http: true,
    definition: {
      models: { default: 'openai/gpt-4o', providers: { openai: { baseUrl: model.url } } },
      agents: {
        default: { mode: 'tools' },
        thrifty: { mode: 'tools', overrides: { maxCost: 0.01 } },
        lead: { mode: 'tools', tools: [], delegates: ['helper'] },
        helper: { mode: 'tools', tools: [] },
        judge: { mode: 'tools', tools: [] },
      },
      defaultAgent: 'default',
    },
  })
  operator = httpOperator(fleet.process.url ?? '')
})
after(async () => {
  await schemas.close()
  await fleet.stop()
  await model.stop()
})

const exact: Scorer = { name: 'contains', weight: 1, pass: 1, rule: { type: 'contains', value: 'fine' } }

const caseOf = (id: string, changes: Partial<Case> = {}): Case => ({
  id,
  input: id,
  scorers: [exact],
  task: {},
  metadata: {},
  hash: id,
  ...changes,
})

const runOf = (id: string, cases: readonly Case[]): EvaluationRun => ({
  id,
  name: 'limits',
  dataset: 'limits.jsonl',
  datasetHash: 'limits',
  agent: null,
  models: ['default'],
  epochs: 1,
  cases: cases.length,
  status: 'running',
  startedAtMs: Date.now(),
  endedAtMs: null,
  settings: {},
  summary: null,
})

async function session(
  id: string,
  cases: readonly Case[],
  changes: Partial<RunSettings> = {},
  onCase: (row: EvaluationCase) => void = () => {},
): Promise<Outcome> {
  const run = await operator.evaluations.save(runOf(id, cases))
  const settings = { concurrency: 8, maxCost: null, judgeAgent: 'judge', task: {}, ...changes }
  const signal = new AbortController().signal
  const parts = { client: fleet.client, evaluations: operator.evaluations, schemas, signal }
  return runCases(run, cases, settings, { ...parts, onCase, onWarning: () => {} })
}

const spentIn = ({ cases }: Outcome): number =>
  cases.reduce((sum, { cost, judgeCost }) => sum + cost + judgeCost, 0)
const many = (count: number, name: string) =>
  Array.from({ length: count }, (_, at) => caseOf(`${name} ${at}`))

test('cases that cost a hundred times what those before them did do not pass the limit', async () => {
  const [probe] = (await session('probe', [caseOf('plain probe')])).cases
  const each = probe?.cost ?? 0
  assert.ok(each > 0)
  const cases = [...many(3, 'plain'), ...many(12, 'dear')]
  const maxCost = 40 * each
  const ended = await session('dear', cases, { maxCost })
  // A task may pass its share by its last call.
  const most = maxCost + 8 * 20 * each
  assert.ok(spentIn(ended) < most, `${spentIn(ended)} of ${maxCost}`)
  assert.ok(ended.cases.filter(({ caseId }) => caseId.startsWith('dear')).length < 12, 'not all were asked')
  assert.ok(ended.cases.every(({ caseId, score }) => caseId.startsWith('dear') === (score === null)))
  assert.match(ended.stopped ?? '', /cost limit/)
})

test('a limit below what one case costs ends the run with the first one', async () => {
  asked = new Map()
  const ended = await session('poor', many(6, 'below'), { maxCost: 1e-9 })
  assert.deepEqual([ended.cases.length, ended.leftOut, asked.size], [1, 6, 1])
  assert.equal(ended.cases[0]?.errorCode, 'COST_LIMIT')
  const whole = await session('poor', many(6, 'below'), { maxCost: 1 })
  assert.deepEqual([whole.leftOut, whole.stopped, asked.get('below 0')], [0, null, 3])
})

test('an agent that allows its tasks less than the limit of the run keeps its own', async () => {
  const cases = many(3, 'thrifty').map((each) => ({ ...each, task: { agent: 'thrifty' } }))
  const { cases: rows } = await session('thrifty', cases, { maxCost: 100 })
  assert.deepEqual(
    rows.map(({ score, problem }) => [score, problem]),
    [
      [1, null],
      [1, null],
      [1, null],
    ],
  )
})

test('what an agent delegates is part of what its case costs', async () => {
  const alone = (await session('alone', [caseOf('just say it')])).cases[0]?.cost ?? 0
  const rule = { type: 'max-cost' as const, dollars: 2.5 * alone }
  const asks = caseOf('delegate it', {
    task: { agent: 'lead' },
    scorers: [{ name: 'cost', weight: 1, pass: 1, rule }],
  })
  const [row] = (await session('tree', [asks])).cases
  const result = await fleet.client.find(row?.taskId ?? '')
  assert.ok((result?.childrenCost ?? 0) > 0)
  assert.equal(row?.cost, (result?.usage.cost ?? 0) + (result?.childrenCost ?? 0))
  assert.deepEqual([row?.score, row?.passed], [0, false], row?.scores[0]?.reason ?? '')
})

test('two runs of one id at once: every case is paid for once, and both end alike', async () => {
  asked = new Map()
  const cases = many(10, 'twice').map((each) => ({
    ...each,
    scorers: [
      exact,
      { name: 'judge', weight: 1, pass: 0.5, rule: { type: 'judge' as const, rubric: 'Is it there?' } },
    ],
  }))
  const both = await Promise.all([session('both', cases), session('both', cases)])
  for (const { cases: rows, leftOut } of both) assert.deepEqual([rows.length, leftOut], [10, 0])
  assert.deepEqual(
    [...asked.values()],
    Array.from({ length: 20 }, () => 1),
    'ten answers and ten verdicts',
  )
})

test('a case that can’t even be submitted has no score, and the others go on', async () => {
  const long = caseOf('too long', { task: { agent: 'a'.repeat(500) } })
  const { cases: rows, leftOut, stopped } = await session('refused', [long, ...many(3, 'beside')])
  assert.deepEqual([rows.length, leftOut, stopped], [4, 1, null])
  const row = rows.find(({ caseId }) => caseId === 'too long')
  assert.equal(row?.score, null)
  assert.match(row.problem ?? '', /agent/)
})

test('NUL in what is asked, and in what a scorer says of it, is kept as far as a store can', async () => {
  const odd = caseOf('nul', { input: 'say \0 this', metadata: { note: 'a\0b' } })
  const { cases: rows } = await session('nul', [odd])
  assert.equal(rows[0]?.score, 1)
  const stored: string[] = []
  for await (const text of operator.evaluations.export('nul', 'json')) stored.push(text)
  const kept = JSON.parse(stored.join('')) as EvaluationCase
  assert.deepEqual([kept.input, kept.metadata], ['say \ufffd this', { note: 'a\0b' }])
})
