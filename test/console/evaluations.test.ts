// Fork, compare, promote and runs of evaluations in the console, in Chromium by playwright.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { readFile } from 'node:fs/promises'
import type { Browser } from 'playwright-core'
import type { EvaluationCase, EvaluationRun } from '../../api/schemas/evaluations.ts'
import { httpOperator } from '../../operator/http.ts'
import {
  assertAccessible,
  assertColumnsFit,
  assertFits,
  openBrowser,
  openTab,
  phone,
  screenshot,
} from '../support/browser.ts'
import { HOSTILE, startConsoleFleet } from '../support/console-fleet.ts'
import type { TestFleet } from '../support/fleet.ts'

let fleet: TestFleet
let browser: Browser
let url: string
before(async () => {
  ;[fleet, browser] = await Promise.all([startConsoleFleet(), openBrowser()])
  url = fleet.process.url as string
})
after(async () => {
  await browser?.close()
  await fleet?.stop()
})

test('an ended task is forked from a step, compared with its origin, and promoted to a case', async () => {
  await fleet.client.submit({ taskId: 'origin', text: 'Where is order 4711?' })
  await fleet.client.result('origin', { timeoutMs: 120_000 })
  await using tab = await openTab(browser, `${url}/tasks/origin`)
  const { page, problems } = tab

  await page.getByRole('button', { name: 'Fork' }).click()
  const fork = page.getByRole('dialog', { name: 'Fork this task' })
  await fork.getByLabel('Most dollars').fill('none')
  await fork.getByText('A number of dollars above 0').waitFor()
  assert.equal(await fork.getByRole('button', { name: 'Fork' }).isDisabled(), true)
  await fork.getByLabel('Most dollars').fill('')
  await fork.getByLabel('From step').selectOption('2')
  await fork.getByLabel('Model').fill('scripted/other')
  await assertAccessible(page, 'fork')
  await screenshot(page, 'fork')
  await fork.getByRole('button', { name: 'Fork' }).click()
  await page.waitForURL((at) => at.pathname.startsWith('/tasks/') && !at.pathname.endsWith('/origin'))
  await page.locator('.detail-head .badge', { hasText: 'succeeded' }).waitFor()
  const forkId = decodeURIComponent(new URL(page.url()).pathname.slice('/tasks/'.length))
  await page.locator('.figures').getByRole('link', { name: 'origin', exact: true }).first().waitFor()

  await page.getByRole('button', { name: 'Compare' }).click()
  const compare = page.getByRole('dialog', { name: 'Compare with another task' })
  assert.equal(await compare.getByLabel('Task id').inputValue(), 'origin')
  await compare.getByRole('button', { name: 'Compare' }).click()
  await page.waitForURL(`${url}/compare/origin/${encodeURIComponent(forkId)}`)
  await page.getByText('same answer').waitFor()
  await page.getByText('No step differs.').waitFor()
  await page.getByText('origin, from step 2').waitFor()
  await assertAccessible(page, 'compare')
  await screenshot(page, 'compare')

  await page.goto(`${url}/tasks/origin`)
  await page.getByRole('button', { name: 'Promote' }).click()
  const promote = page.getByRole('dialog', { name: 'Promote to a case of an evaluation' })
  await promote.getByLabel('What is right').fill('It was shipped')
  await promote.getByRole('button', { name: 'Use it' }).click()
  await promote.getByText('"expected": "It was shipped"').waitFor()
  await assertAccessible(page, 'promote')
  const saving = page.waitForEvent('download')
  await promote.getByRole('button', { name: 'Save the line' }).click()
  const file = await (await saving).path()
  const line = JSON.parse(await readFile(file, 'utf8')) as { id: string; outcomes: unknown[] }
  assert.equal(line.id, 'origin')
  assert.ok(line.outcomes.length >= 2)
  assert.deepEqual(problems, [])
})

test('a task that failed is no case until somebody says what is right', async () => {
  await fleet.client.submit({ taskId: 'failed', text: 'Where is it?', maxSteps: 1, agent: 'nobody' })
  await fleet.client.result('failed', { timeoutMs: 120_000 })
  const asked = async (query: string) => {
    const response = await fetch(`${url}/v1/tasks/failed/case${query}`)
    return [
      response.status,
      ((await response.json()) as { error: { message: string } }).error.message,
    ] as const
  }
  assert.match((await asked('?expected=x'))[1], /must be JSON/)
  const [status, message] = await asked('')
  assert.ok(status >= 400 && status < 500, message)
})

const runOf = (id: string, changes: Partial<EvaluationRun> = {}): EvaluationRun => ({
  id,
  name: 'orders',
  dataset: '/data/orders.jsonl',
  datasetHash: 'hash',
  agent: null,
  models: ['default'],
  epochs: 1,
  cases: 40,
  status: 'completed',
  startedAtMs: Date.now() - 60_000,
  endedAtMs: Date.now(),
  settings: {},
  summary: [
    {
      model: 'default',
      score: { mean: 0.75, low: 0.6, high: 0.86, cases: 40 },
      passed: { mean: 0.7, low: 0.55, high: 0.82, cases: 40 },
      scored: 40,
      unscored: 0,
      cost: 0.42,
      latencyMs: { mean: 900, p50: 800, p95: 2_100 },
    },
  ],
  ...changes,
})

const caseOf = (index: number, passed: boolean): EvaluationCase => ({
  caseId: `case-${String(index).padStart(2, '0')}`,
  model: 'default',
  epoch: 1,
  taskId: `task-${index}`,
  caseHash: `hash-${index}`,
  status: 'succeeded',
  passed,
  score: Number(passed),
  scores: [{ scorer: 'exact', score: Number(passed), weight: 1, passed, reason: passed ? null : HOSTILE }],
  problem: null,
  input: 'Where is the order?',
  output: 'there',
  metadata: {},
  answeredBy: 'scripted/scripted',
  cost: 0.01,
  judgeCost: 0,
  costIsGuess: false,
  latencyMs: 900,
  steps: 2,
  inputTokens: 100,
  outputTokens: 10,
  errorCode: null,
  scoredAtMs: Date.now(),
})

test('runs of evaluations: a list, the cases of one, and what got better and worse', async () => {
  await using tab = await openTab(browser, `${url}/evaluations`)
  const { page, problems } = tab
  await page.getByText('No evaluation has run').waitFor()
  await assertAccessible(page, 'no run')
  const { evaluations } = httpOperator(url)
  for (const [id, passes] of [
    ['first', 20],
    ['second', 34],
  ] as const) {
    await evaluations.save(runOf(id))
    await evaluations.add(
      id,
      Array.from({ length: 40 }, (_, index) => caseOf(index, index < passes)),
    )
  }
  // Any client that may store runs may store a summary of any form.
  await evaluations.save(runOf('odd', { summary: [{ model: 7 }, null, 'x'], status: 'stopped' }))
  await page.reload()
  await page.getByRole('link', { name: 'second' }).waitFor()
  await page.getByText('0.75 [0.60, 0.86]').first().waitFor()
  await assertAccessible(page, 'runs')
  await screenshot(page, 'evaluations')
  await page.getByRole('link', { name: 'odd' }).click()
  await page.getByText('flotilla eval resume odd').waitFor()
  await page.getByRole('link', { name: 'All runs' }).click()

  await page.getByRole('link', { name: 'second' }).click()
  await page.getByRole('button', { name: 'Not passed 6' }).click()
  await page.getByRole('link', { name: 'case-34' }).waitFor()
  await assertAccessible(page, 'a run')
  await screenshot(page, 'evaluation-run')
  await page.getByLabel('Compare with').selectOption('first')
  await page.getByRole('heading', { name: 'Better 14' }).waitFor()
  await page.getByText('Worse: no case.').waitFor()
  await page.getByText('+0.35').first().waitFor()
  await assertAccessible(page, 'compared runs')
  await screenshot(page, 'evaluation-compared')
  assert.equal(await page.title().then((title) => title.includes('owned')), false)
  assert.deepEqual(problems, [])

  await using small = await openTab(browser, `${url}/evaluations/second?with=first`, phone)
  await small.page.getByRole('heading', { name: 'Better 14' }).waitFor()
  await assertFits(small.page, 'compared runs')
  await assertAccessible(small.page, 'on a phone')
  await screenshot(small.page, 'evaluation-phone')

  await using wide = await openTab(browser, `${url}/evaluations`)
  await wide.page.getByRole('link', { name: 'second' }).waitFor()
  await assertColumnsFit(wide.page, 'the list of runs')
  await wide.page.getByRole('link', { name: 'second' }).click()
  await wide.page.getByRole('link', { name: 'case-34' }).waitFor()
  await assertColumnsFit(wide.page, 'the cases of a run')
})
