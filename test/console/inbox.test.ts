// The inbox of the console in Chromium, by playwright: what waits for a person is decided there, by mouse and keyboard.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { eventually } from '../conformance/waiting.ts'
import {
  assertAccessible,
  assertFits,
  looks,
  openBrowser,
  openTab,
  phone,
  screenshot,
} from '../support/browser.ts'
import { HOSTILE, startConsoleFleet } from '../support/console-fleet.ts'
import { waitingCall } from '../support/console-troubles.ts'
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

test('before anything has run, each page says what comes here and what to do first, on a phone too', async () => {
  await using tab = await openTab(browser, `${url}/tasks`, phone)
  const { page, problems } = tab
  await page.getByRole('link', { name: 'Submit the first one' }).waitFor()
  await page.getByText('Answers are scripted').getByRole('link', { name: 'Doctor' }).waitFor()
  for (const [path, says] of [
    ['/inbox', 'questions that agents ask'],
    ['/chat', 'Each message is a task of one session'],
    ['/fleet/limits', 'limits.budgets'],
  ] as const) {
    await page.goto(url + path)
    await page.getByText(says).waitFor()
    await assertAccessible(page, path)
    await assertFits(page, path)
  }
  assert.deepEqual(problems, [])
})

test('a call that waits appears, is approved with a reason and a name, and the task goes on', async () => {
  await using tab = await openTab(browser, `${url}/inbox`)
  const { page, problems } = tab
  await page.getByText('Nothing waits for a person').waitFor()
  await assertAccessible(page, 'the empty inbox')
  await fleet.client.submit({
    taskId: 'refund-1',
    text: 'Order 4712 never came: refund it, please.',
    userId: 'ana',
  })
  const call = page.getByRole('region', { name: 'Call of refund' })
  await call.getByRole('group', { name: 'Arguments of refund' }).getByText('129.9').waitFor()
  await page.getByRole('group', { name: 'What was asked' }).getByText('never came').waitFor()
  await page.getByRole('group', { name: 'The model in step 1' }).getByText('I pay it back').waitFor()
  await page.locator('.nav-count', { hasText: '1' }).waitFor()
  await call.getByLabel('Reason').fill('the carrier lost it')
  await call.getByLabel('Decided by').fill('Ines')
  await call.getByRole('button', { name: 'Approve' }).click()
  await page.getByText('Approved: refund').waitFor()
  await page.getByText('Nothing waits for a person').waitFor()
  const { status, output } = await fleet.client.result('refund-1', { timeoutMs: 120_000 })
  assert.deepEqual([status, output], ['succeeded', 'The customer was paid back.'])
  assert.deepEqual(problems, [])
})

test('keyboard alone: to the inbox, along the list, decline and approve; hostile text is text', async () => {
  const texts = ['Please refund the desk', `refund ${HOSTILE}`, 'A refund for the lamp, it flickers']
  // The inbox has them in the order in which they wait.
  for (const [index, text] of texts.entries()) {
    const taskId = `keys-${index}`
    await fleet.client.submit({ taskId, text, userId: ['ben', 'chidi', 'dora'][index] ?? '' })
    await eventually('it waits', async () => {
      const { phase } = (await (await fetch(`${url}/v1/tasks/${taskId}`)).json()) as { phase: string }
      return phase === 'approval'
    })
  }
  await using tab = await openTab(browser, `${url}/tasks`)
  const { page, problems } = tab
  await page.locator('.nav-count', { hasText: '3' }).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('i')
  await page.waitForURL(/\/inbox$/)
  const rows = page.locator('.inbox-table .table-body .table-row')
  await eventually('all three wait', async () => (await rows.count()) === 3)
  for (const [name, options] of Object.entries(looks)) {
    await using other = await openTab(browser, `${url}/inbox?task=keys-1`, options)
    await other.page.getByRole('button', { name: 'Approve' }).waitFor()
    await other.page.getByRole('group', { name: 'The model in step 1' }).waitFor()
    await assertAccessible(other.page, name)
    await assertFits(other.page, name)
    await screenshot(other.page, `inbox-${name}`)
    if (name !== 'phone') continue
    await other.page.getByRole('link', { name: '← Inbox' }).click()
    await other.page.locator('.inbox-list').waitFor()
    await assertAccessible(other.page, `${name}, the list`)
    await assertFits(other.page, `${name}, the list`)
    await screenshot(other.page, `inbox-list-${name}`)
  }
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.waitForURL(/task=keys-1$/)
  assert.equal(await page.locator('main script, main img').count(), 0)
  await page.getByRole('region', { name: 'Call of refund' }).waitFor()
  await page.keyboard.press('d')
  await page.getByText('Declined: refund').waitFor()
  const { steps } = await fleet.client.result('keys-1', { timeoutMs: 120_000 })
  assert.match(JSON.stringify(steps), /TOOL_DENIED/)
  await page.waitForURL(/task=keys-0$/)
  await page.getByRole('region', { name: 'Call of refund' }).waitFor()
  await page.keyboard.press('a')
  assert.equal((await fleet.client.result('keys-0', { timeoutMs: 120_000 })).status, 'succeeded')
  assert.equal(await page.title(), 'Inbox · Flotilla')
  await page.getByRole('link', { name: 'Calls in doubt' }).click()
  await page.getByText('No call is in doubt').waitFor()
  await assertAccessible(page, 'calls in doubt')
  assert.deepEqual(problems, [])
})

test('what was typed about one wait of a call is not about the next', async () => {
  const wait = await waitingCall(fleet, 'twice', 'refund')
  await wait.begins(1_000)
  await using tab = await openTab(browser, `${url}/inbox?task=twice`)
  const { page, problems } = tab
  await page.getByRole('region', { name: 'Call of refund' }).waitFor()
  await page.getByLabel('Reason').fill('of the first wait')
  await page.getByRole('button', { name: 'Edit arguments' }).click()
  await page.reload()
  assert.equal(await page.getByLabel('Reason').inputValue(), 'of the first wait')
  await wait.ends()
  await page.getByText('No call of this task waits for a person').waitFor()
  await wait.begins(2_000)
  await page.getByRole('region', { name: 'Call of refund' }).waitFor()
  assert.equal(await page.getByLabel('Reason').inputValue(), '')
  assert.equal(await page.getByLabel('Run it with these arguments').count(), 0)
  assert.deepEqual(problems, [])
})
