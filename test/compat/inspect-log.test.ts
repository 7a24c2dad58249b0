// Runs of evaluations as logs of Inspect: read back by Inspect itself (inspect_ai, PyPI).
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { inspectLogs } from '../../evaluation/exports/inspect.ts'
import { runTool } from '../infra/tool.ts'
import { cases, run } from './evaluation-exports/run.ts'
import { pythonWith } from './sdist.ts'

const python = await pythonWith(['inspect-ai==0.3.285'])
const reader = join(import.meta.dirname, 'evaluation-exports/read-log.py')
const folder = mkdtempSync(join(tmpdir(), 'flotilla-inspect-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface ReadSample {
  readonly id: string
  readonly epoch: number
  readonly scores: Record<string, [number, string | null]> | null
  readonly [field: string]: unknown
}
interface ReadLog {
  readonly samples: ReadSample[]
  readonly results: Record<string, Record<string, number>>
  readonly [field: string]: unknown
}

test('Inspect reads a run as it was: header, samples by id and epoch, scores, usage', async () => {
  const logs = inspectLogs(run, cases)
  assert.deepEqual(
    logs.map(({ model }) => model),
    run.models,
  )
  assert.deepEqual(
    inspectLogs(run, cases).map(({ file }) => file),
    logs.map(({ file }) => file),
    'the same run gives the same bytes',
  )
  const path = join(folder, 'run.eval')
  writeFileSync(path, logs[0]?.file ?? '')
  const read = JSON.parse(await runTool(python, [reader, path], { timeoutMs: 120_000 })) as ReadLog

  const { samples, results, ...header } = read
  assert.deepEqual(
    [header['status'], header['task'], header['model'], header['epochs'], header['completed']],
    ['success', 'capitals', 'openai/gpt-4o', 2, 3],
  )
  assert.deepEqual(header['usage'], { 'openai/gpt-4o-2026': 330, 'openai/gpt-4o': 110 })
  assert.equal(header['summaries'], 4)
  assert.deepEqual(
    Object.fromEntries(Object.entries(results).map(([name, metrics]) => [name, metrics['mean']])),
    { flotilla: 0.75, exact: 2 / 3, judge: 2.5 / 3 },
  )
  const byId = new Map(samples.map((sample) => [`${sample.id} ${sample.epoch}`, sample]))
  assert.deepEqual([...byId.keys()].map((id) => id.replace(/é-\w{8}/, 'é')).sort(), [
    '__/__/etc/é 1',
    'france 1',
    'france 2',
    'nested/id 1',
  ])
  const first = byId.get('france 1')
  assert.deepEqual(
    [first?.['input'], first?.['output'], first?.['model'], first?.['tokens'], first?.['messages']],
    ['Capital of France?', 'Paris', 'openai/gpt-4o-2026', 110, ['user', 'assistant']],
  )
  assert.deepEqual(first?.scores, {
    exact: [1, null],
    judge: [1, 'as short as it can be'],
    flotilla: [1, null],
  })
  const metadata = first?.['metadata'] as Record<string, Record<string, unknown>>
  assert.equal(metadata['region'], 'europe')
  assert.equal(metadata['flotilla']?.['taskId'], 'task-gpt-4o-france-1')
  assert.match(String(byId.get('france 2')?.['output']), /Lyon/)
  const unscored = byId.get('nested/id 1')
  assert.deepEqual([unscored?.scores, unscored?.['error']], [null, 'the judge gave no verdict'])
})
