// Cost and quality in the console, in Chromium by playwright: plots, tables by model, agent, user and tool, CSV.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { beginOf } from '../../console/src/cost/usage.ts'
import {
  assertAccessible,
  assertFits,
  desktop,
  openBrowser,
  openTab,
  phone,
  screenshot,
} from '../support/browser.ts'
import { ledgerCalls, ledgerTasks, startConsoleFleet } from '../support/console-fleet.ts'
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

const feedback = (number: number, index: number) => ({
  task_id: `ticket-${String(number).padStart(5, '0')}`,
  satisfaction: 0.5 + (index % 5) / 10,
  comment: null,
  given_by: null,
  given_at_ms: Date.now(),
  quality: 0.6 + (index % 7) / 20,
  scorer: 'judge',
  scored_at_ms: Date.now(),
})

const plotted = (page: Page, title: string) =>
  page.locator('.plot-card', { hasText: title }).locator('canvas').waitFor()

test('before any task has ended it says so', async () => {
  await using tab = await openTab(browser, `${url}/cost`)
  const { page, problems } = tab
  await page.getByText('No task ended in the last 7 days').waitFor()
  await assertAccessible(page, 'nothing yet')
  assert.deepEqual(problems, [])
})

test('plots and tables of cost and quality, each an address', async () => {
  await ledgerTasks(fleet, 8_000)
  const calledMs = Date.now()
  await ledgerCalls(fleet, 3_000)
  await fleet.process.stores.sql
    .updateTable('task_ledger')
    .set({ user_id: '<img src=x>\u202e' })
    .where('task_id', 'in', ['ticket-07999', 'ticket-07998', 'ticket-07997'])
    .execute()
  await fleet.process.stores.sql
    .insertInto('task_feedback')
    .values(Array.from({ length: 200 }, (_, index) => feedback(8_000 - index * 39, index)))
    .execute()
  await using tab = await openTab(browser, url)
  const { page, problems } = tab
  await page.locator('.tasks-table').waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('u')
  await plotted(page, 'Cost per day by model')
  await page.getByRole('region', { name: 'By model' }).getByText('openai/gpt-5-mini').waitFor()
  await page.getByRole('link', { name: 'By user' }).click()
  await page.waitForURL(/by=user/)
  await page.getByRole('region', { name: 'By user' }).getByText('<img src=x>⟨202e⟩').waitFor()
  assert.equal(await page.locator('main img').count(), 0)
  await page.getByRole('link', { name: '24 hours' }).click()
  await plotted(page, 'Cost per hour by user')
  await page.getByRole('link', { name: 'By tool' }).click()
  await page.getByRole('region', { name: 'By tool' }).getByText('lookup_order').waitFor()
  await page.getByRole('link', { name: 'Quality', exact: true }).click()
  await page.waitForURL(/\/quality\?range=24h&by=tool$/)
  await plotted(page, 'Duration of tasks per hour')
  await page.reload()
  await plotted(page, '95th percentile of the duration by tool')
  const askedMs = Date.now()
  const [saved] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Calls CSV' }).click(),
  ])
  assert.equal(saved.suggestedFilename(), 'calls-24h.csv')
  const [head, ...rows] = (await readFile(await saved.path(), 'utf8')).trim().split('\n')
  assert.match(head ?? '', /model/)
  // The range begins with a whole hour, as its plots do. The calls are as far apart as ledgerCalls makes them.
  const begins = [askedMs, Date.now()].map((ms) => beginOf({ ms: 86_400_000, per: 'hour' }, ms))
  const expected = begins.flatMap((fromMs) =>
    [calledMs, calledMs + 5_000].map((ms) => Math.floor((ms - 60_000 - fromMs) / 350_000) + 1),
  )
  assert.ok(expected.includes(rows.length), `${rows.length} of ${expected.join(' or ')}`)
  assert.deepEqual(problems, [])
})

for (const [look, options] of [
  ['light', desktop],
  ['dark', { ...desktop, colorScheme: 'dark' }],
  ['phone', phone],
] as const)
  test(`cost and quality are accessible and fit: ${look}`, async () => {
    await using tab = await openTab(browser, `${url}/cost`, options)
    const { page, problems } = tab
    for (const view of ['cost', 'quality']) {
      await page.goto(`${url}/${view}?range=30d&by=${view === 'cost' ? 'model' : 'agent'}`)
      await page.locator('.plot-card canvas').nth(3).waitFor()
      await assertAccessible(page, `${view} ${look}`)
      await assertFits(page, `${view} ${look}`)
      await screenshot(page, `${view}-${look}`)
    }
    assert.deepEqual(problems, [])
  })
