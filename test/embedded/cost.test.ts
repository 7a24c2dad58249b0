// A run of many kinds of tasks on three priced models: what the tasks say, what the ledger says, and the price table times
// the tokens that the model server counted, are one sum. And /metrics shows everything of a task (R10).
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import type { TaskResult } from '../../client/types.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { defaultPrices } from '../../runtime/config/defaults.ts'
import { ledgerReader } from '../../runtime/ledger/reader.ts'
import { summarise } from '../../runtime/ledger/summary.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { echo, startTestFleet, type TestFleet } from '../support/fleet.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-cost-'))
const callLog = join(directory, 'calls.jsonl')
let models: ScriptedModel
let fleet: TestFleet
let results: TaskResult[] = []

const broken = defineTool({
  name: 'broken',
  description: 'Fails.',
  input: z.object({}),
  run: () => {
    throw new Error('out of order')
  },
})

/** As R3 prices them: US dollars per million tokens in and out. */
const priced = [
  ['gpt-4o', 5, 15],
  ['gpt-3.5-turbo', 0.5, 1.5],
  ['groq/llama-3.3-70b-versatile', 0.099, 0.3],
] as const
const tasks = [
  ...priced.flatMap(([model]) => [
    { model, text: `say hi task=plain-${model.replace('/', '.')}` },
    { model, text: `say hi task=code-${model.replace('/', '.')}`, mode: 'code' as const },
    { model, text: `say hi task=busy-${model.replace('/', '.')} fault=429x1` },
    { model, text: 'use what is broken' },
  ]),
]

before(async () => {
  const turns = [{ toolCalls: [{ name: 'broken', arguments: {} }] }, { text: 'it is broken' }]
  const conversations = [{ title: 'broken', task: 'use what is broken', mode: 'tools' as const, turns }]
  models = await startScriptedModel({ conversations, log: callLog })
  fleet = await startTestFleet({
    http: true,
    definition: {
      tools: [echo, broken],
      agents: { default: { mode: 'tools' } },
      models: { providers: { openai: { baseUrl: models.url }, groq: { baseUrl: models.url } } },
    },
  })
  const ids = await Promise.all(
    tasks.map(
      async (task) => (await fleet.client.submit({ ...task, userId: 'ann', timeoutMs: 50_000 })).taskId,
    ),
  )
  results = await Promise.all(ids.map((id) => fleet.client.result(id, { timeoutMs: 120_000 })))
})
after(async () => {
  await fleet?.stop()
  await models?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const sum = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((total, item) => total + value(item), 0)
/** To a hundred-millionth of a dollar, a millionth of a cent: sums of doubles differ beyond. */
function same(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) < 1e-8, `${what}: $${actual}, not $${expected}`)
}
const metrics = async (): Promise<string> => (await fetch(`${fleet.process.url}/metrics`)).text()

test('every task ran', () => {
  for (const { status, error } of results) assert.equal(status, 'succeeded', JSON.stringify(error))
})

test('results, ledger, and prices times the tokens that the server counted are one sum, model by model', async () => {
  const { sql } = fleet.process.stores
  const calls = await eventually('the ledger has every task and call', async () => {
    const [total] = await summarise(sql, { by: 'total' })
    const byModel = await summarise(sql, { by: 'model' })
    const complete = total?.executions === results.length
    const made = sum(results, ({ usage }) => usage.modelCalls)
    return complete && sum(byModel, ({ executions }) => executions) === made && byModel
  })
  const counted = readFileSync(callLog, 'utf8')
    .trim()
    .split('\n')
    .map(
      (line) =>
        JSON.parse(line) as { model: string; status: number; inputTokens: number; outputTokens: number },
    )
  assert.ok(
    counted.some(({ status }) => status === 429),
    'some calls were refused',
  )
  for (const [model, input, output] of priced) {
    const mine = counted.filter((call) => model.endsWith(call.model) && call.status === 200)
    const expected = sum(mine, (call) => (call.inputTokens * input + call.outputTokens * output) / 1_000_000)
    const line = calls.find(({ group }) => group === model)
    assert.ok(expected > 0 && mine.length >= 8)
    same(line?.cost ?? 0, expected, `${model} in the ledger`)
    const told = results.filter((result) => result.model === model)
    same(
      sum(told, ({ usage }) => usage.cost),
      expected,
      `${model} in the results`,
    )
    assert.equal(
      line?.inputTokens,
      sum(mine, (call) => call.inputTokens),
    )
  }
  const [total] = await summarise(sql, { by: 'total' })
  same(
    total?.cost ?? 0,
    sum(calls, ({ cost }) => cost),
    'all models',
  )
})

test('the prices of the table are those that were promised', () => {
  for (const [model, input, output] of priced) {
    const row = defaultPrices.find((price) => model.startsWith(price.model))
    assert.deepEqual([row?.input, row?.output], [input, output], model)
  }
})

/** What users were promised to see of each task (R10): a series that must have counted. */
const promised: readonly [what: string, series: RegExp][] = [
  ['time', /^flotilla_task_seconds_count\{status="succeeded",agent="default",model="gpt-4o"\} [1-9]/m],
  ['steps', /^flotilla_task_steps_sum\{status="succeeded",agent="default"\} [1-9]/m],
  [
    'success',
    /^flotilla_tasks_total\{status="succeeded",agent="default",model="gpt-4o",profile="none"\} [1-9]/m,
  ],
  ['tokens', /^flotilla_tokens_total\{kind="input",model="gpt-4o",agent="default"\} [1-9]/m],
  [
    'model latency',
    /^gen_ai_client_inference_duration_seconds_count\{.*gen_ai_request_model="gpt-4o".*\} [1-9]/m,
  ],
  ['tool calls', /^flotilla_tool_runs_total\{tool="echo",status="succeeded",cached="false"\} [1-9]/m],
  ['tool errors', /^flotilla_tool_runs_total\{tool="broken",status="failed",cached="false"\} [1-9]/m],
  ['latency per tool', /^flotilla_tool_seconds_count\{tool="echo",status="succeeded"\} [1-9]/m],
  ['estimated cost', /^flotilla_cost_usd_total\{model="gpt-4o",agent="default"\} 0\.[0-9]*[1-9]/m],
  ['output quality', /^flotilla_task_quality_sum 0\.5/m],
  ['user satisfaction', /^flotilla_task_satisfaction_sum 0\.75/m],
]

test('/metrics has everything of a task, and feedback joins it', async () => {
  const taskId = results[0]?.taskId ?? ''
  const env = { FLOTILLA_URL: fleet.process.url as string, NO_COLOR: '1' }
  const said = await flotilla(
    ['feedback', taskId, '--score', '4', '--comment', 'good', '--quality', '0.5', '--scorer', 'me'],
    { env },
  )
  assert.equal(said.code, 0, said.err)
  let missing: string[] = []
  const complete = async () => {
    const text = await metrics()
    missing = promised.filter(([, series]) => !series.test(text)).map(([what]) => what)
    return missing.length === 0
  }
  // Nobody waits for a ledger, so it takes its time.
  await eventually('every series has counted', complete).catch(() => {})
  assert.deepEqual(missing, [])
})

test('flotilla usage: the summary by user, and the export, through the gateway', async () => {
  const env = { FLOTILLA_URL: fleet.process.url as string, NO_COLOR: '1' }
  const { out } = await flotilla(['usage', '--by', 'user'], { env })
  const [header, line, ...rest] = out.trimEnd().split('\n')
  assert.match(
    header ?? '',
    /^user +tasks +success +mean +tokens in +tokens out +cost +rejected +satisfied +quality$/,
  )
  const figures = / +12 +100\.0 % +[0-9.]+ m?s +[\d,]+ +[\d,]+ +\$0\.\d{4} +0 +75\.0 % +50\.0 %$/
  assert.match(line ?? '', figures)
  assert.ok(line?.startsWith('ann '))
  assert.deepEqual(rest, [])
  const csv = (await flotilla(['usage', 'export', '--table', 'tasks'], { env })).out
  const pieces: string[] = []
  for await (const piece of ledgerReader(async () => fleet.process.stores.sql).export({
    table: 'tasks',
    format: 'csv',
  }))
    pieces.push(piece)
  assert.equal(csv, pieces.join(''))
  assert.equal(csv.trimEnd().split('\n').length, 13)
  const wrong = await flotilla(['usage', '--by', 'colour'], { env })
  assert.deepEqual([wrong.code, wrong.out], [64, ''])
  assert.match(wrong.err, /Allowed choices are total, user, agent, model, tool, day/)
  const refused = await fetch(`${fleet.process.url}/v1/usage?from=yesterday`)
  assert.equal(refused.status, 400)
})
