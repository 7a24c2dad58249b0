// The list of tasks in Chromium, by playwright: live, filtered by the address, searched, of ten thousand tasks, cancelled in bulk.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { eventually } from '../conformance/waiting.ts'
import {
  assertAccessible,
  assertColumnsFit,
  assertFits,
  busyPerFrame,
  desktop,
  openBrowser,
  openTab,
  phone,
  screenshot,
} from '../support/browser.ts'
import { ledgerTasks, startConsoleFleet } from '../support/console-fleet.ts'
import type { TestFleet } from '../support/fleet.ts'

const MANY = 10_000
let fleet: TestFleet
let browser: Browser
let url: string
before(async () => {
  ;[fleet, browser] = await Promise.all([startConsoleFleet(), openBrowser()])
  url = fleet.process.url as string
  await ledgerTasks(fleet, MANY)
})
after(async () => {
  await browser?.close()
  await fleet?.stop()
})

const rows = (page: Page) => page.locator('.tasks-table .table-body .table-row')
const row = (page: Page, id: string) => rows(page).filter({ has: page.locator('.task-id', { hasText: id }) })

test('a task appears and changes by itself, and its row leads to it', async () => {
  await using tab = await openTab(browser, url)
  const { page, problems } = tab
  await page.waitForSelector('.connection.live')
  await fleet.client.submit({ taskId: 'live-1', text: 'Please refund the lost desk', userId: 'ana' })
  await row(page, 'live-1').getByText('needs a person').waitFor()
  await fleet.client.cancel('live-1')
  await row(page, 'live-1').locator('.badge', { hasText: 'cancelled' }).waitFor()
  await row(page, 'live-1').getByText('ana').click()
  await page.waitForURL(/\/tasks\/live-1$/)
  await page.goBack()
  await row(page, 'live-1').waitFor()
  assert.deepEqual(problems, [])
})

test('no column of the list is cut off, however wide the screen', async () => {
  await using tab = await openTab(browser, `${url}/tasks`)
  await rows(tab.page).first().waitFor()
  await assertColumnsFit(tab.page, 'the list of tasks')
})

test('ten thousand tasks: only the rows in view are in the page, down to the last', async () => {
  await using tab = await openTab(browser, `${url}/tasks?search=ticket-`)
  const { page, problems } = tab
  await rows(page).first().waitFor()
  const begun = performance.now()
  let most = 0
  await eventually('the first task of all is shown', async () => {
    await page.evaluate("const b = document.querySelector('.table-body'); b.scrollTo(0, b.scrollHeight)")
    most = Math.max(most, await rows(page).count())
    return (await row(page, 'ticket-00001').count()) > 0
  })
  console.log(
    `${MANY} tasks scrolled through in ${Math.round(performance.now() - begun)} ms, ${most} rows in the page at most`,
  )
  assert.ok(most < 100, `${most} rows are in the page`)
  const busyMs = await busyPerFrame(page, '.table-body', -300)
  console.log(`${busyMs.toFixed(1)} ms of work a frame while the list scrolls`)
  assert.ok(busyMs < 50, `${busyMs} ms of work a frame`)
  assert.deepEqual(problems, [])
})

test('filters and searches are addresses; views are saved in the browser', async () => {
  await using tab = await openTab(browser, `${url}/tasks?status=failed&user=dora`)
  const { page } = tab
  await rows(page).first().waitFor()
  for (const text of await rows(page).allInnerTexts()) assert.match(text, /failed[^]*dora/)
  await page.getByRole('button', { name: 'Save view' }).click()
  await page.getByLabel('Name').fill('Dora’s failures')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByRole('link', { name: 'Slow' }).click()
  await page.waitForURL(/minMs=60000/)
  await page.getByRole('link', { name: 'Dora’s failures' }).click()
  await page.waitForURL(/status=failed&user=dora/)
  await page.getByRole('link', { name: 'All', exact: true }).click()
  await page.getByRole('searchbox').fill('TICKET-0777')
  await page.waitForURL(/search=TICKET-0777/)
  await eventually('only those are shown', async () => (await rows(page).count()) === 10)
  await page.getByRole('searchbox').fill('nothing has this')
  await page.getByText('No task matches').waitFor()
})

test('bulk cancel shows what it would cancel, and then does', async () => {
  for (let at = 0; at < 3; at++)
    await fleet.client.submit({ taskId: `bulk-${at}`, text: 'refund it', userId: 'bulk' })
  await using tab = await openTab(browser, `${url}/tasks?user=bulk`)
  const { page } = tab
  await eventually('all wait', async () => (await page.getByText('needs a person').count()) === 3)
  await page.getByRole('button', { name: 'Cancel many' }).click()
  await page.getByText('3 open tasks match').waitFor()
  assert.deepEqual(await page.locator('.preview li').allInnerTexts(), ['bulk-2', 'bulk-1', 'bulk-0'])
  await assertAccessible(page, 'bulk cancel')
  await page.getByLabel('Reason').fill('said in the test')
  await page.getByRole('button', { name: 'Cancel 3 tasks' }).click()
  const { status, error } = await fleet.client.result('bulk-1', { timeoutMs: 120_000 })
  assert.equal(status, 'cancelled')
  assert.match(error?.message ?? '', /said in the test/)
  await eventually(
    'the rows say so',
    async () => (await rows(page).locator('.badge', { hasText: 'cancelled' }).count()) === 3,
  )
})

test('keyboard alone: to a row, into the task, back, search, help', async () => {
  await using tab = await openTab(browser, url)
  const { page } = tab
  await rows(page).first().waitFor()
  for (const key of ['j', 'j', 'k', 'j']) await page.keyboard.press(key)
  await page.locator('[data-index="1"]:focus, [data-index="1"] :focus').waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/tasks\/.+/)
  await page.keyboard.press('g')
  await page.keyboard.press('t')
  await page.waitForURL(/\/tasks$/)
  await page.keyboard.press('/')
  await page.locator('input[type="search"]:focus').waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
  await assertAccessible(page, 'the help')
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
})

for (const [name, options] of [
  ['light', desktop],
  ['dark', { ...desktop, colorScheme: 'dark' }],
  ['phone', phone],
  ['phone-dark', { ...phone, colorScheme: 'dark' }],
] as const)
  test(`the list is accessible and fits: ${name}`, async () => {
    await using tab = await openTab(browser, url, options)
    const { page, problems } = tab
    await rows(page).first().waitFor()
    await assertAccessible(page, name)
    await assertFits(page, name)
    await screenshot(page, `tasks-${name}`)
    assert.deepEqual(problems, [])
  })
