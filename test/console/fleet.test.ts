// The fleet in the console, in Chromium by playwright: each part, dead letters replayed singly and in bulk, a stage
// paused and resumed, an alert silenced; and what a key without ops:write does not see.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { DirectKeys } from '../../operator/direct/keys.ts'
import {
  assertAccessible,
  assertColumnsFit,
  assertFits,
  looks,
  openBrowser,
  openTab,
  screenshot,
  tabTo,
} from '../support/browser.ts'
import { startConsoleFleet } from '../support/console-fleet.ts'
import { deadLetters, openBreaker } from '../support/console-troubles.ts'
import type { TestFleet } from '../support/fleet.ts'

let fleet: TestFleet
let browser: Browser
let url: string
before(async () => {
  const definition = { limits: { budgets: { userTokens: 20_000 } } }
  ;[fleet, browser] = await Promise.all([startConsoleFleet({ definition }), openBrowser()])
  url = fleet.process.url as string
  await fleet.client.submit({ taskId: 'one', text: 'Where is order 4711?', userId: 'ana' })
  await fleet.client.result('one', { timeoutMs: 120_000 })
  await deadLetters(fleet)
})
after(async () => {
  await browser?.close()
  await fleet?.stop()
})

const finding = (page: Page, text: RegExp) =>
  page.getByRole('list', { name: 'Findings' }).getByRole('listitem').filter({ hasText: text })

/** What each part shows once it is there. */
const parts: Readonly<Record<string, (page: Page) => Promise<unknown>>> = {
  '': async (page) => {
    await page.locator('.tile', { hasText: 'Open breakers' }).getByText('model:openai').waitFor()
    await page.locator('.tile', { hasText: 'Dead letters' }).getByText('4', { exact: true }).waitFor()
    await page.getByRole('region', { name: 'Checks' }).getByText('works').first().waitFor()
  },
  lanes: (page) => page.getByRole('row', { name: /planner runs/ }).waitFor(),
  'dead-letters': (page) => page.getByText('the registry does not know schema 4711').waitFor(),
  breakers: (page) => page.getByText('openai answered 529: overloaded').waitFor(),
  mcp: (page) => page.getByText('The fleet uses no MCP server').waitFor(),
  alerts: (page) => page.getByRole('row', { name: /high_error_rate quiet/ }).waitFor(),
  limits: (page) => page.getByRole('row', { name: /user:ana/ }).waitFor(),
  topics: (page) => page.getByRole('row', { name: /tasks\.submitted/ }).waitFor(),
  setup: (page) => page.getByRole('row', { name: /refund none by a person/ }).waitFor(),
  doctor: async (page) => {
    await finding(page, /schema registry\s*works/).waitFor()
    await finding(page, /model API\s*weaker.*Set the key of a provider/).waitFor()
    await page.getByText('Nothing fails').waitFor()
  },
}

for (const [look, options] of Object.entries(looks))
  test(`every part is there, accessible, and fits: ${look}`, async () => {
    // One that has not changed for a minute counts as that of a process that is gone.
    await openBreaker(fleet)
    await using tab = await openTab(browser, `${url}/fleet`, options)
    const { page, problems } = tab
    for (const [name, isThere] of Object.entries(parts)) {
      if (name !== '') await page.locator(`.tabs a[href="/fleet/${name}"]`).click()
      await isThere(page)
      await assertAccessible(page, `${name} ${look}`)
      await assertFits(page, `${name} ${look}`)
      await screenshot(page, `fleet-${name || 'overview'}-${look}`)
    }
    assert.deepEqual(problems, [])
  })

for (const part of ['lanes', 'dead-letters'])
  test(`no column of ${part} is cut off, however wide the screen`, async () => {
    await using tab = await openTab(browser, `${url}/fleet/${part}`)
    await parts[part]?.(tab.page)
    await assertColumnsFit(tab.page, part)
  })

test('a dead letter is shown decoded, replayed, and its task is done; bulk shows what it would refuse', async () => {
  await using tab = await openTab(browser, `${url}/fleet`)
  const { page, problems } = tab
  await page.locator('.tile', { hasText: 'Dead letters' }).click()
  await page.getByText('the registry does not know schema 4711').click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('group', { name: 'Event TaskSubmitted' }).getByText('Where is order 4711?').waitFor()
  await dialog.getByRole('group', { name: 'Headers' }).getByText('x-sender: crm-7').waitFor()
  await assertAccessible(page, 'a dead letter')
  await screenshot(page, 'fleet-dead-letter')
  await dialog.getByRole('button', { name: 'Replay' }).click()
  await page.getByText('Replayed: tasks.submitted').waitFor()
  assert.equal((await fleet.client.result('buried', { timeoutMs: 120_000 })).status, 'succeeded')

  await page.getByText('are no event').click()
  await dialog.getByRole('group', { name: 'Bytes' }).getByText('ff0001').waitFor()
  assert.equal(await page.locator('main img, dialog img').count(), 0)
  await page.keyboard.press('Escape')
  await page.getByLabel('Stage').fill('planner')
  await page.waitForURL(/stage=planner/)
  await page.getByRole('button', { name: 'Replay many' }).click()
  await dialog.getByText('1 match; 1 would be refused').waitFor()
  await dialog.getByText('which only').waitFor()
  assert.equal(await dialog.getByRole('button', { name: 'Replay 0' }).isDisabled(), true)
  await dialog.getByLabel('Also events that only stages write').check()
  await dialog.getByRole('button', { name: 'Replay 1' }).waitFor()
  await assertAccessible(page, 'the preview')
  await screenshot(page, 'fleet-dead-letters-bulk')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Purge many' }).click()
  await dialog.getByRole('button', { name: 'Purge 1' }).click()
  await page.getByText('No dead letter matches').waitFor()
  assert.deepEqual(problems, [])
})

test('doctor says what fails and what to do, and looks again on demand', async () => {
  const env = {
    OPENAI_API_KEY: 'sk-wrong-wrong',
    OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
    FLOTILLA_MODEL: 'openai/gpt-5-mini',
  }
  await using other = await startConsoleFleet({ env })
  for (const [look, options] of Object.entries(looks)) {
    await using tab = await openTab(browser, `${other.process.url}/fleet`, options)
    const { page, problems } = tab
    await page.getByRole('region', { name: 'Checks' }).waitFor()
    await tabTo(page, page.getByRole('link', { name: 'Doctor' }).last())
    await page.keyboard.press('Enter')
    await finding(page, /model API\s*fails\s*MODEL_UNAVAILABLE.*base URL/).waitFor()
    assert.match(await page.locator('.findings li').first().innerText(), /model API/)
    await page.getByText(/^1 of \d+ fail/).waitFor()
    const again = page.getByRole('button', { name: 'Check again' })
    await tabTo(page, again)
    await page.keyboard.press('Enter')
    await page.getByText(/^1 of \d+ fail/).waitFor()
    await assertAccessible(page, `a check that fails, ${look}`)
    await assertFits(page, `a check that fails, ${look}`)
    await screenshot(page, `fleet-doctor-fails-${look}`)
    assert.deepEqual(problems, [])
  }
})

test('partitions that no broker leads are said where their stages and topics are', async () => {
  await using tab = await openTab(browser, `${url}/fleet/setup`)
  const { page, problems } = tab
  // Only a broken cluster has any: the answers are those of the fleet, with two partitions taken out of the figures.
  const change = (path: string, of: (row: Record<string, unknown>) => object) =>
    page.route(`**${path}`, async (route) => {
      const response = await route.fetch()
      const rows = (await response.json()) as Record<string, unknown>[]
      await route.fulfill({ response, json: rows.map((row) => ({ ...row, ...of(row) })) })
    })
  await change('/v1/fleet/lanes', ({ stage, lane }) =>
    stage === 'planner' && lane === 2 ? { leaderless: ['tasks.admitted', 'tasks.control'] } : {},
  )
  await change('/v1/topics', ({ name }) => (name === 'tasks.admitted' ? { leaderless: [2] } : {}))
  await page.getByRole('link', { name: 'Overview' }).click()
  const tile = page.locator('.tile.bad', { hasText: 'Records behind' })
  await tile.getByText('no broker leads 2 partitions').waitFor()
  await tile.getByText(/^\d+\+$/).waitFor()
  await tile.click()
  await page.getByRole('row', { name: /^planner waits for a leader.*tasks\.admitted\[2\]/ }).waitFor()
  await page.getByRole('row', { name: /^planner 2 \d+\+.*no broker leads tasks\.admitted/ }).waitFor()
  await page.getByRole('row', { name: /^router runs/ }).waitFor()
  await assertAccessible(page, 'lanes without a leader')
  await screenshot(page, 'fleet-leaderless')
  await page.getByRole('link', { name: 'Topics' }).click()
  await page.getByRole('row', { name: /^tasks\.admitted \d+\+ 4 no leader: 2/ }).waitFor()
  assert.deepEqual(problems, [])
})

test('a stage is paused and resumed, an alert silenced', async () => {
  await using tab = await openTab(browser, `${url}/fleet/lanes`)
  const { page, problems } = tab
  await page.getByRole('button', { name: 'Pause alerting' }).click()
  await page.getByLabel('Reason').fill('a release')
  await page.getByRole('dialog').getByRole('button', { name: 'Pause alerting' }).click()
  await page.getByRole('row', { name: /alerting paused.*: a release/ }).waitFor()
  await assertAccessible(page, 'a paused stage')
  await page.getByRole('button', { name: 'Resume alerting' }).click()
  await page.getByRole('row', { name: /alerting runs/ }).waitFor()
  await page.getByRole('link', { name: 'Alerts' }).click()
  await page.getByRole('button', { name: 'Silence high_error_rate' }).click()
  await page.getByLabel('For').selectOption({ label: '4 hours' })
  await page.getByLabel('Reason').fill('known')
  await page.getByRole('button', { name: 'Silence', exact: true }).click()
  await page.getByRole('row', { name: /high_error_rate.*silent until.*known/ }).waitFor()
  await page.getByRole('button', { name: 'End the silence of high_error_rate' }).click()
  await page.getByRole('button', { name: 'Silence high_error_rate' }).waitFor()
  assert.deepEqual(problems, [])
})

test('a key that may only look has no buttons that act', async () => {
  const keys = new DirectKeys(fleet.process.stores.sql)
  const { key } = await keys.create({ name: 'monitor', scopes: ['ops:read'], userId: null }, null)
  await using tab = await openTab(browser, `${url}/fleet/lanes`)
  const { page } = tab
  await page.getByLabel('API key or token').fill(key)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('row', { name: /planner runs/ }).waitFor()
  assert.equal(await page.getByRole('button', { name: /Pause|Resume/ }).count(), 0)
  await page.getByRole('link', { name: 'Dead letters' }).click()
  await page.getByText('4711').first().waitFor()
  assert.equal(await page.getByRole('button', { name: /many/ }).count(), 0)
  assert.deepEqual(await page.locator('.nav li').allInnerTexts(), ['Fleet'])
})
