// One task in Chromium, by playwright: submitted in the page, streamed, resumed after a restart, long, hostile.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { eventually } from '../conformance/waiting.ts'
import { freePort } from '../infra/port.ts'
import {
  assertAccessible,
  assertFits,
  busyPerFrame,
  looks,
  openBrowser,
  openTab,
  screenshot,
} from '../support/browser.ts'
import { HUGE, longTask, startConsoleFleet } from '../support/console-fleet.ts'
import type { TestFleet } from '../support/fleet.ts'

const STEPS = 1_000
let fleet: TestFleet
let browser: Browser
let url: string
before(async () => {
  const env = { FLOTILLA_TRACE_URL: 'https://jaeger.example/trace/{traceId}' }
  ;[fleet, browser] = await Promise.all([startConsoleFleet({ env }), openBrowser()])
  url = fleet.process.url as string
})
after(async () => {
  await browser?.close()
  await fleet?.stop()
})

const ended = async (taskId: string, text: string, more: object = {}) => {
  await fleet.client.submit({ taskId, text, ...more })
  return fleet.client.result(taskId, { timeoutMs: 120_000 })
}

test('a task is submitted in the page, and seen to finish there', async () => {
  await using tab = await openTab(browser, `${url}/new`)
  const { page, problems } = tab
  await assertAccessible(page, 'new task')
  await screenshot(page, 'new')
  await page.getByLabel('What the agent is to do').fill('Where are order 4711 and order 4712?')
  await page.getByText('Limits, output schema, session').click()
  await page.getByLabel('Most steps').fill('five')
  await page.getByText('must be a number').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Submit' }).isDisabled(), true)
  await page.getByLabel('Most steps').fill('7')
  await page.getByLabel('Task id').fill('in-the-page')
  await page.getByRole('button', { name: 'Submit' }).click()
  await page.waitForURL(/\/tasks\/in-the-page$/)
  await page.getByText('Order 4711 was shipped with DHL').first().waitFor()
  await page.locator('.detail-head .badge', { hasText: 'succeeded' }).waitFor()
  await page.getByText('3 of 7').waitFor()
  await page.getByText('lookup_order').first().click()
  await page.getByRole('group', { name: 'Arguments of lookup_order' }).first().getByText('4711').waitFor()
  await page.getByRole('group', { name: 'Result of lookup_order' }).first().getByText('shipped').waitFor()
  await page.waitForURL(/step=1/)
  await page.getByRole('button', { name: 'Feedback' }).click()
  await page.getByLabel('Comment').fill('right')
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('Feedback recorded').waitFor()
  await page.getByRole('link', { name: 'Run again' }).click()
  const prompt = page.locator('textarea').first()
  await eventually('the form is filled in', async () =>
    (await prompt.inputValue()).startsWith('Where are order 4711'),
  )
  assert.deepEqual(problems, [])
})

test('Python with what it printed, its paused calls, and the raw events', async () => {
  const result = await ended('python', 'Which orders are late?', { agent: 'analyst' })
  assert.equal(result.status, 'succeeded')
  await using tab = await openTab(browser, `${url}/tasks/python?step=1`)
  const { page, problems } = tab
  await page.getByRole('group', { name: 'Python of step 1' }).getByText('late = []').waitFor()
  assert.ok((await page.locator('.py-keyword').count()) > 3)
  await page.getByRole('group', { name: 'Printed by step 1' }).getByText('4712: UPS took 19 days').waitFor()
  assert.equal(await page.locator('.call').count(), 3)
  assert.match(
    await page.locator('.call').last().innerText(),
    /carrier_status[^]*called by Python[^]*delayDays/,
  )
  for (const [name, options] of Object.entries(looks)) {
    await using other = await openTab(browser, `${url}/tasks/python?step=1`, options)
    await other.page.getByRole('group', { name: 'Python of step 1' }).waitFor()
    await assertAccessible(other.page, name)
    await assertFits(other.page, name)
    await screenshot(other.page, `task-${name}`)
  }
  await page.getByRole('link', { name: /^Events/ }).click()
  await page.locator('.raw-event', { hasText: 'task.admitted' }).click()
  await page.getByRole('group', { name: 'Event 1', exact: true }).getByText('modelReason').waitFor()
  assert.match(await page.locator('.raw-event').first().innerText(), /router\s+lane \d · \d+/)
  await assertAccessible(page, 'events')
  assert.deepEqual(problems, [])
})

test('what tasks say is text, whatever it says', async () => {
  await ended('hostile', 'hostile <img src=x onerror="document.title=1">\u202e', {
    userId: '"><script>1</script>',
    agent: 'default',
  })
  await using tab = await openTab(browser, `${url}/tasks/hostile?step=1`)
  const { page, problems } = tab
  await page.getByRole('group', { name: 'Answer', exact: true }).getByText('{{1+1}}').waitFor()
  assert.equal(await page.title(), 'hostile · Flotilla')
  assert.equal(await page.locator('main script, main img').count(), 0)
  assert.match(
    await page.getByRole('group', { name: 'Answer', exact: true }).innerText(),
    /⟨202e⟩gnp\.exe⟨202c⟩/,
  )
  await screenshot(page, 'hostile')
  await page.goto(`${url}/tasks/%E0%A4%A`).catch(() => {})
  await page.goto(`${url}/tasks/${encodeURIComponent('no/such<task>\u202e')}`)
  await page.getByText('there is no task').waitFor()
  await assertAccessible(page, 'a task that is not known')
  assert.deepEqual(problems, [])
})

test('an answer of 400 KB is shown whole on demand', async () => {
  await ended('huge', 'huge')
  await using tab = await openTab(browser, `${url}/tasks/huge`)
  const { page, problems } = tab
  const answer = page.getByRole('group', { name: 'Answer', exact: true })
  await answer.getByText('A line of a long report').first().waitFor()
  const begun = performance.now()
  await page
    .getByRole('button', { name: /^Show all/ })
    .first()
    .click()
  const box = page.locator('.answer .long-text-box').first()
  await eventually('all is shown', async () => ((await box.textContent()) ?? '').length >= HUGE.trim().length)
  console.log(`${HUGE.length} characters shown in ${Math.round(performance.now() - begun)} ms`)
  assert.deepEqual(problems, [])
})

test(`a task of ${STEPS} steps stays fluid, and each step has an address`, async () => {
  await longTask(fleet, 'long', STEPS)
  await using tab = await openTab(browser, `${url}/tasks/long`)
  const { page, problems } = tab
  const begun = performance.now()
  await page.getByRole('link', { name: /^Timeline 1,00\d/ }).waitFor()
  console.log(`${STEPS} steps shown after ${Math.round(performance.now() - begun)} ms`)
  assert.ok((await page.locator('.step').count()) < 60)
  const busyMs = await busyPerFrame(page, '.task-page', 250)
  console.log(`${busyMs.toFixed(1)} ms of work a frame while ${STEPS} steps scroll`)
  assert.ok(busyMs < 50, `${busyMs} ms of work a frame`)
  await screenshot(page, 'long')
  await page.goto(`${url}/tasks/long?step=777`)
  await page.getByRole('group', { name: 'Text of step 777' }).waitFor()
  assert.deepEqual(problems, [])
})

test('a stream goes on after a restart of the gateway, without a gap and without a repetition', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-console-'))
  const env = { PORT: String(await freePort()) }
  let other = await startConsoleFleet({ dataDir, env })
  try {
    await other.client.submit({ taskId: 'resumed', text: 'Please refund the lost desk' })
    await using tab = await openTab(browser, `${other.process.url}/tasks/resumed?tab=events`)
    const { page } = tab
    await page.locator('.raw-event', { hasText: 'approval.requested' }).waitFor()
    await other.stop()
    await page.locator('.connection.lost').waitFor()
    await screenshot(page, 'lost')
    other = await startConsoleFleet({ dataDir, env })
    await page.getByText('Connected again, and caught up').waitFor()
    const waiting = await eventually(
      'it waits',
      async () =>
        (await fetch(`${other.process.url}/v1/tasks/resumed`)).json() as Promise<{
          events: { kind: string; detail: { callId: string } }[]
        }>,
    )
    const callId = waiting.events.findLast(({ kind }) => kind === 'approval_requested')?.detail.callId ?? ''
    await other.client.approve({ taskId: 'resumed', callId, approved: true })
    await page.locator('.detail-head .badge', { hasText: 'succeeded' }).waitFor()
    const expected: string[] = []
    for await (const { type, id } of other.client.events('resumed'))
      if (id !== null && type !== 'result') expected.push(type)
    const shown = () => page.locator('.raw-type').allInnerTexts()
    await eventually('the last is shown', async () => (await shown()).length >= expected.length)
    assert.deepEqual(await shown(), expected)
  } finally {
    await other.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
})

test('a trace leads to where traces are, and text streams as it is written', async () => {
  await fleet.client.submit({ taskId: 'story', text: 'Tell me a story pace=1000' })
  await using tab = await openTab(browser, `${url}/tasks/story?step=1`)
  const { page } = tab
  await page.locator('.streaming').getByText('Sentence 0 of the story').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Cancel', exact: true }).count(), 1)
  await page.getByRole('button', { name: 'Cancel', exact: true }).click()
  await page.getByLabel('Reason').fill('enough')
  await page.getByRole('button', { name: 'Cancel the task' }).click()
  await page.locator('.detail-head .badge', { hasText: 'cancelled' }).waitFor()
  const { traceId } = await fleet.client.result('story', { timeoutMs: 120_000 })
  if (traceId !== null)
    assert.equal(
      await page.getByRole('link', { name: '↗' }).getAttribute('href'),
      `https://jaeger.example/trace/${traceId}`,
    )
})
