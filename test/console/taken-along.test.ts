// What a viewer takes out of the page: copies, and prints.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { assertFits, desktop, openBrowser, openTab } from '../support/browser.ts'
import { ledgerTasks, longTask, startConsoleFleet } from '../support/console-fleet.ts'
import type { TestFleet } from '../support/fleet.ts'

const TASKS = 90
const STEPS = 70

let fleet: TestFleet
let browser: Browser
let url: string
before(async () => {
  ;[fleet, browser] = await Promise.all([startConsoleFleet(), openBrowser()])
  url = fleet.process.url as string
  await Promise.all([ledgerTasks(fleet, TASKS), longTask(fleet, 'long', STEPS)])
})
after(async () => {
  await browser?.close()
  await fleet?.stop()
})

test('an id is copied, also where the browser has no clipboard for the page, as over http', async () => {
  await using tab = await openTab(browser, `${url}/tasks/long`)
  const { page, problems } = tab
  await page.addInitScript("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
  await page.reload()
  await page.getByRole('button', { name: 'Copy task id' }).click()
  await page.getByRole('button', { name: 'Copy task id' }).getByText('Copied').waitFor()
  await page.goto(`${url}/tasks`)
  await page.getByRole('searchbox').focus()
  await page.keyboard.press('ControlOrMeta+V')
  assert.equal(await page.getByRole('searchbox').inputValue(), 'long')
  await page.addInitScript('document.execCommand = () => false')
  await page.goto(`${url}/tasks/long`)
  await page.getByRole('button', { name: 'Copy task id' }).click()
  await page.locator('.toast.bad', { hasText: 'copy it by hand' }).waitFor()
  assert.deepEqual(problems, [])
})

test('on paper stand all rows and steps, in light colours, and nothing to press', async () => {
  await using tab = await openTab(browser, `${url}/tasks`, { ...desktop, colorScheme: 'dark' })
  const { page, problems } = tab
  const rows = page.locator('.tasks-table .table-body .table-row')
  await rows.first().waitFor()
  const onScreen = await rows.count()
  assert.ok(onScreen < TASKS)
  // Chromium lays a page out for paper at once after this: what comes by a later change of size is not on it.
  await page.evaluate("dispatchEvent(new Event('beforeprint'))")
  await rows.nth(TASKS).waitFor()
  await page.evaluate("dispatchEvent(new Event('afterprint'))")
  await rows.nth(TASKS).waitFor({ state: 'detached' })
  await page.emulateMedia({ media: 'print' })
  await rows.nth(TASKS).waitFor()
  assert.equal(await page.locator('html').getAttribute('data-theme'), 'light')
  assert.equal(await page.getByRole('navigation', { name: 'Pages' }).isVisible(), false)
  const [first, last] = await Promise.all([rows.first().boundingBox(), rows.nth(TASKS).boundingBox()])
  assert.ok((last?.y ?? 0) - (first?.y ?? 0) > TASKS * 20, 'one below the other')
  await page.emulateMedia({ media: 'screen' })
  await rows.nth(TASKS).waitFor({ state: 'detached' })
  await page.goto(`${url}/tasks/long`)
  await page.locator('.step').first().waitFor()
  await page.emulateMedia({ media: 'print' })
  await page
    .locator('.step')
    .nth(STEPS - 1)
    .waitFor()
  await assertFits(page, 'a task on paper')
  await page.goto(`${url}/fleet/lanes`)
  await page.getByRole('row', { name: /planner runs/ }).waitFor()
  assert.deepEqual(await page.locator('main button:visible').allInnerTexts(), [], 'nothing to press on paper')
  assert.deepEqual(problems, [])
})
