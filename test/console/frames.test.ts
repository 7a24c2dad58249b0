// Frames that Chromium draws while long lists scroll: ten thousand tasks, a task of a thousand steps, an inbox of ten
// thousand calls. On a busy machine the figure says less of the page than the work of a frame does, so that is held too.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { eventually } from '../conformance/waiting.ts'
import {
  assertAccessible,
  assertFits,
  busyPerFrame,
  openBrowser,
  openTab,
  phone,
  screenshot,
} from '../support/browser.ts'
import { ledgerTasks, longTask, startConsoleFleet } from '../support/console-fleet.ts'
import { waitingTasks } from '../support/console-troubles.ts'
import type { TestFleet } from '../support/fleet.ts'
import { framesWhileScrolling } from '../support/frames.ts'

const MANY = 10_000
const STEPS = 1_000
/** Thrice what was measured: processor time, of which a crowded core still takes more. */
const MOST_BUSY_MS = 50
/** A list that hangs draws fewer, however busy the machine is. */
const LEAST_PER_SECOND = 5

let fleet: TestFleet
let browser: Browser
let url: string
before(async () => {
  ;[fleet, browser] = await Promise.all([startConsoleFleet(), openBrowser()])
  url = fleet.process.url as string
  await Promise.all([ledgerTasks(fleet, MANY), waitingTasks(fleet, MANY), longTask(fleet, 'long', STEPS)])
})
after(async () => {
  await browser?.close()
  await fleet?.stop()
})

async function isFluid(page: Page, what: string, scroller: string): Promise<void> {
  const { perSecond, droppedShare, longestMs, drawn } = await framesWhileScrolling(
    browser,
    page,
    scroller,
    12_000,
  )
  const busyMs = await busyPerFrame(page, scroller, 250)
  console.log(
    `${what}: ${perSecond.toFixed(1)} frames a second (${drawn}), ${(droppedShare * 100).toFixed(1)} % dropped, ` +
      `${longestMs.toFixed(0)} ms at most between two, ${busyMs.toFixed(1)} ms of work a frame`,
  )
  assert.ok(busyMs < MOST_BUSY_MS, `${busyMs} ms of work a frame`)
  assert.ok(perSecond > LEAST_PER_SECOND, `${perSecond} frames a second`)
}

test(`${MANY} tasks`, async () => {
  await using tab = await openTab(browser, `${url}/tasks?search=ticket-`)
  const { page, problems } = tab
  await page.locator('.task-id', { hasText: 'ticket-' }).first().waitFor()
  await isFluid(page, `${MANY} tasks`, '.table-body')
  assert.deepEqual(problems, [])
})

test(`a task of ${STEPS} steps`, async () => {
  await using tab = await openTab(browser, `${url}/tasks/long`)
  const { page, problems } = tab
  await page.getByRole('link', { name: /^Timeline 1,00\d/ }).waitFor()
  await isFluid(page, `${STEPS} steps`, '.task-page')
  assert.deepEqual(problems, [])
})

test(`an inbox of ${MANY} calls: all of them are reached, and one that the log is not read for is decided about`, async () => {
  await using tab = await openTab(browser, `${url}/inbox`)
  const { page, problems } = tab
  const rows = page.locator('.inbox-table .table-body .table-row')
  await rows.first().waitFor()
  await page.locator('.nav-count', { hasText: '99+' }).waitFor()
  await isFluid(page, `${MANY} calls`, '.inbox-table .table-body')
  let most = 0
  await eventually('the last is shown', async () => {
    await page.evaluate(
      "const b = document.querySelector('.inbox-table .table-body'); b.scrollTo(0, b.scrollHeight)",
    )
    most = Math.max(most, await rows.count())
    return (await rows.filter({ hasText: `Refund order ${MANY - 1}` }).count()) > 0
  })
  assert.ok(most < 100, `${most} rows are in the page`)
  await rows.filter({ hasText: `Refund order ${MANY - 1}` }).click()
  await page
    .getByRole('region', { name: 'Call of refund' })
    .getByText(String(MANY - 1))
    .waitFor()
  await assertAccessible(page, 'a full inbox')
  await screenshot(page, 'inbox-full')
  assert.deepEqual(problems, [])
  await using small = await openTab(browser, `${url}/inbox`, phone)
  await small.page.locator('.inbox-table .table-body .table-row').first().waitFor()
  await assertFits(small.page, 'a full inbox on a phone')
  await screenshot(small.page, 'inbox-full-phone')
})
