// The list as a place that a viewer leaves and comes back to: Back, the arrow and j and k on a task, the search, tasks
// that come in faster than a page holds; with a clock that is wrong, and with forced colours.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { eventually } from '../conformance/waiting.ts'
import { assertAccessible, desktop, openBrowser, openTab, screenshot } from '../support/browser.ts'
import { ledgerTasks, startConsoleFleet } from '../support/console-fleet.ts'
import type { TestFleet } from '../support/fleet.ts'

const HOUR_MS = 3_600_000
let fleet: TestFleet
let browser: Browser
let url: string
before(async () => {
  ;[fleet, browser] = await Promise.all([startConsoleFleet(), openBrowser()])
  url = fleet.process.url as string
  await ledgerTasks(fleet, 2_000)
})
after(async () => {
  await browser?.close()
  await fleet?.stop()
})

const rows = (page: Page) => page.locator('.tasks-table .table-body .table-row')
const heading = (page: Page) => page.locator('.detail-head h1')
const top = async (page: Page): Promise<number> =>
  Number(await page.evaluate("document.querySelector('.table-body').scrollTop"))

/** Scrolls until so many rows are loaded, and to the row of this number; answers with the id of its task. */
async function scrollTo(page: Page, index: number): Promise<string> {
  const row = page.locator(`.table-body [data-index="${index}"]`)
  await eventually(`row ${index} is there`, async () => {
    await page.evaluate(`document.querySelector('.table-body').scrollTop = ${index * 36 - 200}`)
    return (await row.count()) > 0
  })
  return (await row.locator('.task-id').textContent()) ?? ''
}

for (const [how, goBack] of [
  ['Back', (page: Page) => page.goBack()],
  ['the arrow', (page: Page) => page.getByRole('link', { name: 'Back to the list' }).click()],
] as const)
  test(`${how} leads to the list as it was left: filter, rows, scroll position, focus`, async () => {
    await using tab = await openTab(browser, `${url}/tasks?search=ticket-`)
    const { page, problems } = tab
    await rows(page).first().waitFor()
    const id = await scrollTo(page, 900)
    const before = await top(page)
    await page.locator('.table-body [data-index="900"] a').click()
    await heading(page).getByText(id).waitFor()
    await goBack(page)
    await page.waitForURL(/\/tasks\?search=ticket-$/)
    await page.locator('[data-index="900"] a:focus', { hasText: id }).waitFor()
    assert.equal(await top(page), before)
    assert.equal(await page.getByRole('searchbox').inputValue(), 'ticket-')
    await page.keyboard.press('j')
    await page.locator('[data-index="901"] a:focus').waitFor()
    await page.getByRole('link', { name: 'Tasks', exact: true }).click()
    await page.waitForURL(/\/tasks$/)
    await rows(page).first().waitFor()
    assert.equal(await top(page), 0, 'a link to the list leads to its top')
    assert.deepEqual(problems, [])
  })

test('j and k on a task lead through the list that it was opened from, and no further', async () => {
  await using tab = await openTab(browser, `${url}/tasks?search=ticket-&status=failed`)
  const { page, problems } = tab
  await rows(page).first().waitFor()
  const ids = await page.locator('.task-id').allTextContents()
  await page.keyboard.press('j')
  await page.locator('[data-index="0"] a:focus').waitFor()
  await page.keyboard.press('Enter')
  await heading(page)
    .getByText(ids[0] ?? '')
    .waitFor()
  await page.keyboard.press('k')
  await page.keyboard.press('j')
  await heading(page)
    .getByText(ids[1] ?? '')
    .waitFor()
  await page.keyboard.press('j')
  await heading(page)
    .getByText(ids[2] ?? '')
    .waitFor()
  await page.goBack()
  await page.waitForURL(/status=failed/)
  await page.locator('[data-index="2"] a:focus').waitFor()
  assert.deepEqual(problems, [])
})

test('tasks that come in faster than a page holds are all in the open list', async () => {
  const nowMs = Date.now()
  await ledgerTasks(fleet, 5, 'rush-before', nowMs - 100 * 24 * HOUR_MS)
  await using tab = await openTab(browser, `${url}/tasks?search=rush-`)
  const { page, problems } = tab
  await page.locator('.counts', { hasText: /^5 shown/ }).waitFor()
  await page.locator('.connection.live').waitFor()
  await ledgerTasks(fleet, 700, 'rush-after', nowMs)
  // The feed says that something has happened: the list asks for its first page.
  await fleet.client.submit({ taskId: 'rush-now', text: 'Good morning' })
  await page.locator('.counts', { hasText: /^706 shown/ }).waitFor()
  assert.deepEqual(problems, [])
})

test('the search field shows what the list is filtered by, however that came', async () => {
  await using tab = await openTab(browser, `${url}/tasks`)
  const { page, problems } = tab
  const field = page.getByRole('searchbox')
  await rows(page).first().waitFor()
  await field.fill('ticket-0077 ')
  await page.waitForURL(/search=ticket-0077$/)
  assert.equal(await field.inputValue(), 'ticket-0077 ', 'what is being typed stays as it is')
  await page.getByRole('link', { name: 'Failed', exact: true }).click()
  await page.waitForURL(/\?status=failed$/)
  await eventually('the field is empty', async () => (await field.inputValue()) === '')
  await page.goBack()
  await page.waitForURL(/search=ticket-0077$/)
  await eventually('the field says it', async () => (await field.inputValue()) === 'ticket-0077')
  // Typed, and gone before the list is asked: the page that is shown meanwhile keeps its address.
  await field.fill('ticket-0078')
  await rows(page).first().locator('a').click()
  await heading(page).waitFor()
  await page.locator('.connection').waitFor()
  await page.getByRole('link', { name: /^Timeline/ }).waitFor()
  assert.doesNotMatch(page.url(), /search=/)
  assert.deepEqual(problems, [])
})

for (const hours of [1, -1])
  test(`a viewer whose clock is ${hours} h off sees the fleet's times`, async () => {
    const taskId = `clock${hours}`
    await fleet.client.submit({ taskId, text: 'Please refund the lost desk' })
    await using tab = await openTab(browser, 'about:blank')
    const { page, problems } = tab
    await page.addInitScript(
      `{ const real = Date.now.bind(Date); Date.now = () => real() + ${hours * HOUR_MS} }`,
    )
    await page.goto(`${url}/tasks?search=${taskId}`)
    await rows(page).locator('.c-took', { hasText: /s$/ }).waitFor()
    assert.match(await rows(page).locator('.c-took').innerText(), /^(\d+ ms|\d+\.\d+ s)$/)
    await page.goto(`${url}/inbox?task=${taskId}`)
    await page.getByText(/^asked (just now|\d+ s ago)/).waitFor()
    await page.goto(`${url}/fleet/alerts`)
    await page.getByRole('button', { name: 'Silence high_latency' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Silence', exact: true }).click()
    await page.getByRole('button', { name: 'End the silence of high_latency' }).waitFor()
    const alerts = (await (await fetch(`${url}/v1/alerts`)).json()) as {
      rule: string
      silence: { untilMs: number } | null
    }[]
    const { untilMs = 0 } = alerts.find(({ rule }) => rule === 'high_latency')?.silence ?? {}
    assert.ok(Math.abs(untilMs - Date.now() - HOUR_MS) < 60_000, new Date(untilMs).toISOString())
    await page.getByRole('button', { name: 'End the silence of high_latency' }).click()
    await page.getByRole('button', { name: 'Silence high_latency' }).waitFor()
    assert.deepEqual(problems, [])
  })

test('with forced colours a waterfall still has its bars, and states their dots', async () => {
  await fleet.client.submit({ taskId: 'colours', text: 'Where is order 4711?' })
  await fleet.client.result('colours', { timeoutMs: 120_000 })
  await using tab = await openTab(browser, `${url}/tasks/colours`, { ...desktop, forcedColors: 'active' })
  const { page, problems } = tab
  await page.locator('.span.s-tool').first().waitFor()
  const ground = (selector: string, pseudo = '') =>
    page.evaluate(
      `getComputedStyle(document.querySelector('${selector}'), '${pseudo}').backgroundColor`,
    ) as Promise<string>
  const line = await ground('.step-line')
  for (const [selector, pseudo] of [
    ['.span.s-tool', ''],
    ['.span.s-model', ''],
    ['.swatch.s-person', ''],
    ['.detail-head .badge', '::before'],
  ] as const)
    assert.notEqual(await ground(selector, pseudo), line, selector)
  assert.match(
    String(await page.evaluate("getComputedStyle(document.querySelector('.nav a[aria-current]')).outline")),
    /solid/,
  )
  await assertAccessible(page, 'forced colours')
  await screenshot(page, 'forced-colours')
  assert.deepEqual(problems, [])
})
