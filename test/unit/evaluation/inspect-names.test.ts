// Names of Inspect's logs, and of what is in them: none stands for two.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { EvaluationCase, EvaluationRun } from '../../../api/schemas/evaluations.ts'
import { exporterTo } from '../../../cli/evaluation/export.ts'
import { inspectLogs } from '../../../evaluation/exports/inspect.ts'

const run = (id: string, models: string[] = ['m']): EvaluationRun => ({
  id,
  name: 'my cases',
  dataset: '/cases.jsonl',
  datasetHash: 'h',
  agent: null,
  models,
  epochs: 1,
  cases: 1,
  status: 'completed',
  startedAtMs: 1_795_000_000_000,
  endedAtMs: 1_795_000_001_000,
  settings: {},
  summary: null,
})

const scored = (caseId: string, model = 'm'): EvaluationCase => ({
  caseId,
  model,
  epoch: 1,
  taskId: `t-${caseId}`,
  caseHash: 'h',
  status: 'succeeded',
  passed: true,
  score: 1,
  scores: [],
  problem: null,
  input: 'a',
  output: 'b',
  metadata: {},
  answeredBy: null,
  cost: 0,
  judgeCost: 0,
  costIsGuess: false,
  latencyMs: 1,
  steps: 1,
  inputTokens: 1,
  outputTokens: 1,
  errorCode: null,
  scoredAtMs: 1_795_000_000_500,
})

test('cases whose ids look alike are samples of their own, and lead out of no folder', () => {
  const ids = [
    'a/b',
    'a\\b',
    'a_b',
    'A_B',
    '/a',
    '_a',
    '..',
    '__',
    'a/../b',
    'a/__/b',
    './x',
    'x:y',
    'x_y',
    'a//b',
    'a/',
  ]
  const [log] = inspectLogs(
    run('r'),
    ids.map((id) => scored(id)),
  )
  const names = [...(log?.file.toString('latin1').matchAll(/samples\/(.*?)_epoch_1\.json/g) ?? [])].map(
    ([, name = '']) => name,
  )
  // Each is in the archive and in its directory.
  assert.equal(names.length, 2 * ids.length)
  assert.equal(new Set(names.map((name) => name.toLowerCase())).size, ids.length, names.join(' '))
  for (const name of names) assert.doesNotMatch(name, /\\|^\/|(^|\/)\.\.?(\/|$)|\/\/|\/$/)
})

test('runs of one second and data set, and models that look alike, have files of their own', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-inspect-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const exported = exporterTo({ to: 'inspect', file: folder, project: undefined })
  await exported(run('one'), [scored('a')])
  await exported(run('two'), [scored('a')])
  await exported(run('three', ['a/b', 'a_b', 'A_B']), [scored('a', 'a/b'), scored('a', 'a_b')])
  assert.deepEqual(readdirSync(folder).toSorted(), [
    '2026-11-18T11-06-40+00-00_my_cases_one.eval',
    '2026-11-18T11-06-40+00-00_my_cases_three-A_B.3.eval',
    '2026-11-18T11-06-40+00-00_my_cases_three-a_b.2.eval',
    '2026-11-18T11-06-40+00-00_my_cases_three-a_b.eval',
    '2026-11-18T11-06-40+00-00_my_cases_two.eval',
  ])
  await assert.rejects(exported(run('one'), [scored('a')]), /exists/)
  assert.throws(() => exporterTo({ to: 'inspect', file: join(folder, 'none'), project: undefined }), /folder/)
})
