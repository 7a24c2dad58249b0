// Evaluations on a fleet: scored, stored, compared and stopped; resumed after a kill without paying again.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { EvaluationCase, EvaluationRun } from '../../api/schemas/evaluations.ts'
import { z } from 'zod'
import type { Comparison } from '../../evaluation/comparison.ts'
import type { Summary } from '../../evaluation/summary.ts'
import type { Checked } from '../../evaluation/thresholds.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { httpOperator } from '../../operator/http.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { echo, startTestFleet, type TestFleet } from '../support/fleet.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-evaluation-'))
let model: ScriptedModel
let fleet: TestFleet
let env: Record<string, string> = {}

let payments = 0
/** The amount that the model pays next: a candidate may choose another one. */
let amount = 7
const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: z.object({ amount: z.number() }),
  run: ({ amount: paid }) => {
    payments += 1
    return `paid ${paid}`
  },
})

/** Answers what a case asks for; epochs of a `flaky` case differ, and a judge is told what to think. */
let flaky = 0
function script({ task, turn, observations }: Exchange) {
  if (task.startsWith('Grade one answer'))
    return {
      text: JSON.stringify({ reasons: 'it is short', score: task.includes('JUDGED BADLY') ? 0.1 : 0.9 }),
    }
  if (task.includes('flaky')) return { text: flaky++ % 4 < 2 ? 'yes' : 'no' }
  if (task.includes('pay the bill'))
    return turn === 0
      ? { toolCalls: [{ name: 'pay', arguments: { amount } }] }
      : { text: observations.includes('paid') ? `done ${amount}` : 'not paid' }
  if (task.includes('use the tool') && turn === 0)
    return { toolCalls: [{ name: 'echo', arguments: { text: 'hi' } }] }
  return { text: /say (\w+)/.exec(task)?.[1] ?? 'nothing' }
}

function dataset(name: string, cases: readonly object[]): string {
  const path = join(directory, `${name}.jsonl`)
  writeFileSync(path, cases.map((each) => JSON.stringify(each)).join('\n'))
  return path
}

interface Printed {
  readonly run: EvaluationRun & { readonly summary: Summary }
  readonly cases: readonly EvaluationCase[]
  readonly comparisons: readonly Comparison[]
  readonly thresholds: readonly Checked[]
  readonly leftOut: number
  readonly stopped: string | null
}

async function evaluated(args: readonly string[], code = 0): Promise<Printed> {
  const ended = await flotilla(['eval', ...args, '--json', '--quiet'], { env })
  assert.equal(ended.code, code, ended.err)
  return JSON.parse(ended.out) as Printed
}

before(async () => {
  model = await startScriptedModel({ script })
  fleet = await startTestFleet({
    http: true,
    definition: {
      models: { default: 'openai/gpt-4o', providers: { openai: { baseUrl: model.url } } },
      tools: [echo, pay],
      agents: { default: { mode: 'tools' }, judge: { mode: 'tools', tools: [] } },
      defaultAgent: 'default',
    },
  })
  env = { FLOTILLA_URL: fleet.process.url ?? '', FLOTILLA_DATA: directory }
})
after(async () => {
  await fleet.stop()
  await model.stop()
  rmSync(directory, { recursive: true, force: true })
})

test('scored by many scorers, over models and epochs; stored, listed, shown and exported', async () => {
  const file = dataset('many', [
    {
      id: 'plain',
      input: 'say hello',
      expected: 'hello',
      scorers: ['exact', { type: 'max-steps', steps: 1 }],
    },
    {
      id: 'tool',
      input: 'use the tool and say done',
      scorers: [
        { type: 'tools', called: ['echo'], never: ['pay'] },
        { type: 'judge', rubric: 'Is it short?' },
      ],
    },
    {
      id: 'wrong',
      input: 'say JUDGED',
      expected: 'x',
      scorers: ['exact', { type: 'contains', value: 'JUDGED', weight: 3 }],
    },
    { id: 'flaky', input: 'flaky', expected: 'yes' },
  ])
  const args = [file, '--model', 'openai/gpt-4o,openai/gpt-3.5-turbo', '--epochs', '2', '--concurrency', '1']
  const rules = ['--threshold', 'judge>=0.9', '--threshold', 'pass^2>=0.9']
  const { run, cases, thresholds } = await evaluated([...args, ...rules, '--run', 'many-1'], 1)
  assert.deepEqual([run.id, run.status, run.models.length, cases.length], ['many-1', 'completed', 2, 16])
  const score = (id: string) => cases.filter(({ caseId }) => caseId === id).map(({ score: found }) => found)
  assert.deepEqual(
    [score('plain'), score('wrong')],
    [
      [1, 1, 1, 1],
      [0.75, 0.75, 0.75, 0.75],
    ],
  )
  assert.ok(Math.abs((score('tool')[0] ?? 0) - 0.95) < 1e-9)
  const [column] = run.summary
  assert.deepEqual(
    run.summary.map(({ flapping }) => flapping),
    [['flaky'], ['flaky']],
  )
  assert.ok((column?.cost ?? 0) > 0 && (column?.judgeCost ?? 0) > 0, 'judges are counted apart')
  assert.deepEqual(
    thresholds.map(({ reached }) => reached),
    [true, false, true, false],
  )
  const tasks = cases.map(({ taskId }) => taskId)
  assert.equal(new Set(tasks).size, 16)

  const client = httpOperator(env['FLOTILLA_URL'] ?? '')
  assert.deepEqual((await client.evaluations.list())[0]?.id, 'many-1')
  const shown = await flotilla(['eval', 'show', 'many-1'], { env })
  assert.match(shown.out, /exact .*0\.50 \[0\.\d\d, 0\.\d\d\]/)
  assert.match(shown.out, /wrong openai\/gpt-4o +exact: it is "JUDGED", not "x"/)
  const csv = await flotilla(['eval', 'export', 'many-1', '--format', 'csv'], { env })
  assert.match(csv.out, /^case_id,model,epoch,status/)
  assert.equal(csv.out.trim().split('\n').length, 17)
  await exportedToTools('many-1')

  await eventually('scores join the live figures', async () => {
    const [line] = await client.usage.summary({ by: 'total' })
    return line?.quality !== null && line?.quality !== undefined
  })
  // The same command again does nothing again, and says the same.
  const before = model.stats().received
  assert.deepEqual((await evaluated([...args, ...rules, '--run', 'many-1'], 1)).cases.length, 16)
  assert.equal(model.stats().received, before)
  const other = await flotilla(['eval', file, '--epochs', '3', '--run', 'many-1'], { env })
  assert.match(other.err, /the run many-1 has another models, epochs/)

  const deleted = () => flotilla(['eval', 'delete', 'many-1'], { env })
  assert.match((await deleted()).err, /deleted many-1 with 16 cases/)
  assert.match((await deleted()).err, /no evaluation run/)
})

/** What the files hold, and what Weave gets: test/compat. */
async function exportedToTools(id: string): Promise<void> {
  const exported = (...args: string[]) => flotilla(['eval', 'export', id, ...args], { env })
  const path = join(directory, 'many.eval')
  const { code, err } = await exported('--to', 'inspect', path)
  assert.equal(code, 0, err)
  const logs = readdirSync(directory).filter((file) => file.endsWith('.eval'))
  assert.ok(logs.length > 0 && logs.every((file) => err.includes(file)), err)
  for (const file of logs)
    assert.equal(readFileSync(join(directory, file), 'latin1').slice(0, 4), 'PK\u0003\u0004')
  const again = await exported('--to', 'inspect', path)
  assert.match(again.err, /exists; remove it, or give another name/)
  assert.match((await exported('--to', 'weave')).err, /--project team\/project/)
}

test('a run keeps how it asks; thresholds and limits are those of the command', async () => {
  const file = dataset('kept', [{ id: 'pay', input: 'pay the bill', expected: 'not paid' }])
  const paid = payments
  await evaluated([file, '--run', 'kept', '--tools', 'refuse'])
  const missed = await evaluated([file, '--run', 'kept', '--tools', 'refuse', '--threshold', 'score<0.5'], 1)
  assert.deepEqual(missed.thresholds[0]?.reached, false, 'a threshold of a later command counts')
  for (const other of [[], ['--tools', 'live'], ['--tools', 'refuse', '--user', 'ann']]) {
    const ended = await flotilla(['eval', file, '--run', 'kept', ...other], { env })
    assert.equal(ended.code, 64)
    assert.match(ended.err, /the run kept has another (tools|user)/)
  }
  assert.equal(payments, paid)
})

test('what a data set or a scorer prints is not on stdout, and what a scorer returns is checked', async () => {
  const file = join(directory, 'prints.mjs')
  writeFileSync(
    file,
    `console.log('reading')
     const scores = { text: '0.5', reason: { score: 1, reason: 7 }, none: null, good: { score: 1 } }
     const score = ({ input }) => { console.log('scoring'); process.stdout.write('more'); return scores[input.slice(4)] }
     export default { scorers: [score], cases: Object.keys(scores).map((id) => ({ id, input: 'say ' + id })) }`,
  )
  const { cases } = await evaluated([file], 5)
  const of = (id: string) => cases.find(({ caseId }) => caseId === id)
  assert.equal(of('good')?.score, 1)
  for (const id of ['text', 'reason', 'none']) {
    assert.equal(of(id)?.score, null)
    assert.match(of(id)?.problem ?? '', /score gave .*a score is a number from 0 to 1, true, false, or/)
  }
})

test('compared with another run, case by case', async () => {
  const cases = Array.from({ length: 8 }, (_, index) => ({
    id: `c${index}`,
    input: `say word${index}`,
    expected: `word${index}`,
  }))
  const bad = cases.map((each) => ({ ...each, expected: 'another' }))
  await evaluated([dataset('words', cases), '--run', 'words-1'])
  const { comparisons } = await evaluated([dataset('words', bad), '--run', 'words-2', '--compare', 'words-1'])
  // Another expected value is another case.
  assert.deepEqual([comparisons[0]?.changed.length, comparisons[0]?.measures], [8, []])
  const same = await evaluated([dataset('words', cases), '--run', 'words-3', '--compare', 'words-1'])
  assert.deepEqual([same.comparisons[0]?.measures[0]?.pairs, same.comparisons[0]?.measures[0]?.p], [8, 1])
  const unknown = await flotilla(['eval', dataset('words', cases), '--compare', 'nowhere'], { env })
  assert.match(unknown.err, /NOT_FOUND: there is no evaluation run "?nowhere/)
})

test('a cost limit stops submitting, says what is left out, and the run is resumed with a higher one', async () => {
  const cases = Array.from({ length: 12 }, (_, index) => ({
    id: `c${index}`,
    input: `say price${index}`,
    expected: `price${index}`,
  }))
  const first = await evaluated([dataset('prices-probe', cases.slice(0, 1)), '--run', 'probe'])
  const each = first.run.summary[0]?.cost ?? 0
  assert.ok(each > 0)
  const limit = String((each * 4.5).toFixed(9))
  const {
    run,
    cases: scored,
    leftOut,
    stopped,
  } = await evaluated([dataset('prices', cases), '--run', 'dear', '--max-cost', limit], 5)
  assert.deepEqual([run.status, scored.length, leftOut], ['stopped', 4, 8])
  assert.match(stopped ?? '', /cost limit/)
  const before = model.stats().received
  const resumed = await evaluated(['resume', 'dear', '--max-cost', '1'])
  assert.deepEqual([resumed.run.status, resumed.cases.length, resumed.leftOut], ['completed', 12, 0])
  assert.equal(model.stats().received - before, 8, 'nothing is paid twice')
})

test('what can not work is refused before anything is submitted', async () => {
  const before = model.stats().received
  const refused: [string[], RegExp][] = [
    [
      [
        dataset('judged', [{ input: 'a', scorers: [{ type: 'judge', rubric: 'r' }] }]),
        '--judge-agent',
        'default',
      ],
      /the agent default has tools \(echo, pay\)/,
    ],
    [
      [
        dataset('judged', [{ input: 'a', scorers: [{ type: 'judge', rubric: 'r' }] }]),
        '--judge-agent',
        'nobody',
      ],
      /add agents: \{ nobody: \{ mode: 'tools', tools: \[\] \} \}/,
    ],
    [
      [dataset('plain', [{ input: 'a', expected: 'b' }]), '--agent', 'nobody'],
      /no agent nobody; there are: default, judge/,
    ],
    [[dataset('plain', [{ input: 'a', expected: 'b' }]), '--threshold', 'exact>=1'], /there are: normalised/],
    [[dataset('bad', [{ input: 'a' }, { inptu: 'b' }])], /line 1: it has no expected value[\s\S]*line 2/],
  ]
  for (const [args, said] of refused) {
    const ended = await flotilla(['eval', ...args], { env })
    assert.deepEqual([ended.code, ended.out], [64, ''], ended.err)
    assert.match(ended.err, said)
  }
  assert.equal(model.stats().received, before)
})

test('a task becomes a case, and real tasks go through a candidate: the tool is called once, by the user alone', async () => {
  const { taskId } = await fleet.client.submit({ text: 'pay the bill', userId: 'ann' })
  assert.equal((await fleet.client.result(taskId, { timeoutMs: 120_000 })).output, 'done 7')
  assert.equal(payments, 1)
  const file = join(directory, 'promoted.jsonl')
  const promoted = await flotilla(['eval', 'promote', taskId, '--into', file, '--json'], { env })
  assert.deepEqual(JSON.parse(promoted.out), { id: taskId, outcomes: 1 }, promoted.err)
  const again = await flotilla(['eval', 'promote', taskId, '--into', file], { env })
  assert.match(again.err, /has the case .* already/)
  const { cases } = await evaluated([file, '--epochs', '2'])
  assert.deepEqual(
    cases.map(({ passed, output }) => [passed, output]),
    [
      [true, 'done 7'],
      [true, 'done 7'],
    ],
  )

  amount = 8
  const candidate = ['shadow', '--since', '1h', '--model', 'openai/gpt-3.5-turbo']
  const changed = await flotilla([...candidate, '--json'], { env })
  assert.equal(changed.code, 0, changed.err)
  const report = JSON.parse(changed.out) as Printed
  const row = report.cases.find(({ caseId }) => caseId === taskId)
  assert.deepEqual([row?.passed, row?.output, row?.metadata['refusedCalls']], [false, 'not paid', 1])
  assert.ok(
    report.cases.every(({ caseId }) => !caseId.startsWith('eval-')),
    'cases of evaluations are not real tasks',
  )
  amount = 7
  const limited = [...candidate, '--max-cost']
  const poor = await flotilla([...limited, '0.000000001', '--json'], { env })
  assert.equal(poor.code, 5, poor.err)
  const [cut] = (JSON.parse(poor.out) as Printed).cases
  assert.deepEqual([cut?.errorCode, cut?.score], ['COST_LIMIT', null], 'its limit is that of the run')
  const unscored = await flotilla([...limited, '0.000000001'], { env })
  assert.match(unscored.out, /^0 tasks would have changed\.\n1 task could not be compared:\n {2}\S+: /m)
  assert.doesNotMatch(unscored.out, /^Cost of a task/m)
  assert.match((await flotilla([...limited, '0'], { env })).err, /must be more than 0/)
  const same = await flotilla([...candidate, '--limit', '50'], { env })
  assert.match(same.out, /0 tasks would have changed/, same.err)
  assert.match(same.err, /not run|1\/1|passed/)
  assert.equal(payments, 1, 'nothing but the first task has called the tool')
})

test('a run over HTTP is checked like everything else that comes in', async () => {
  const url = env['FLOTILLA_URL'] ?? ''
  const { evaluations } = httpOperator(url)
  await assert.rejects(evaluations.get('nowhere'), { code: 'NOT_FOUND' })
  await assert.rejects(evaluations.save({ id: '../x' } as EvaluationRun), { code: 'REQUEST_INVALID' })
  await assert.rejects(evaluations.add('nowhere', []), { code: 'REQUEST_INVALID' })
})

test('killed in the middle, a run on no fleet but its own goes on, and pays only what was unanswered', async (t) => {
  const log = join(directory, 'calls.jsonl')
  const slow = await startScriptedModel({ script: () => ({ text: 'fine' }), latencyMs: 500, log })
  t.after(() => slow.stop())
  const data = mkdtempSync(join(tmpdir(), 'flotilla-evaluation-killed-'))
  t.after(() => rmSync(data, { recursive: true, force: true }))
  const config = join(directory, 'flotilla.config.ts')
  writeFileSync(config, `export default { agents: { default: { mode: 'tools', tools: [] } } }`)
  const own = {
    FLOTILLA_DATA: data,
    FLOTILLA_CONFIG: config,
    FLOTILLA_SCRIPTED_URL: slow.url,
    FLOTILLA_MODEL: 'scripted',
  }
  const cases = Array.from({ length: 10 }, (_, index) => ({
    id: `c${index}`,
    input: `task=c${index}`,
    expected: 'fine',
    scorers: ['contains'],
  }))
  const child = spawn(
    process.execPath,
    ['cli/main.ts', 'eval', dataset('killed', cases), '--run', 'killed', '--concurrency', '2'],
    {
      env: { ...process.env, ...own, FLOTILLA_PARTITIONS: '3', LOG_LEVEL: 'error' },
    },
  )
  let shown = ''
  child.stderr.on('data', (text: Buffer) => (shown += text.toString()))
  const done = () => [...shown.matchAll(/^\d+\/10 (\S+)/gm)].map(([, id = '']) => id)
  await eventually('some cases are scored', () => done().length >= 3)
  const closed = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await closed
  const before = done()
  assert.ok(before.length < 10, shown)
  const ended = await flotilla(['eval', 'resume', 'killed', '--json'], { env: own })
  assert.equal(ended.code, 0, ended.err)
  const { run, cases: scored } = JSON.parse(ended.out) as Printed
  assert.deepEqual([run.status, scored.length], ['completed', 10])
  const calls = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { task: string; outcome: string })
  const count = (id: string) =>
    calls.filter(({ task, outcome }) => task === id && outcome === 'answered').length
  for (const id of before) assert.equal(count(id), 1, `${id} was scored before the kill`)
  const twice = cases.filter(({ id }) => count(id) > 1)
  assert.ok(twice.length <= 2, 'at most the calls that ran at the kill are made again')
  writeFileSync(dataset('killed', cases.slice(1)), '{"input": "other", "expected": "x"}')
  const changed = await flotilla(['eval', 'resume', 'killed'], { env: own })
  assert.match(changed.err, /has changed since the run killed began/)
})
