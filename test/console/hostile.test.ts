// Every page on data that nobody should have: markup, text that hides or turns around, names of 100 kB, figures that
// are none, clocks that are wrong, and an API that is slow or fails in the middle.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import {
  assertAccessible,
  assertFits,
  desktop,
  openBrowser,
  openTab,
  phone,
  screenshot,
} from '../support/browser.ts'
import { startConsoleFleet } from '../support/console-fleet.ts'
import type { TestFleet } from '../support/fleet.ts'
import { hostileLedgers, HUGE_NAME } from '../support/hostile-ledgers.ts'

let fleet: TestFleet
let browser: Browser
let url: string
before(async () => {
  ;[fleet, browser] = await Promise.all([startConsoleFleet(), openBrowser()])
  url = fleet.process.url as string
  await hostileLedgers(fleet)
})
after(async () => {
  await browser?.close()
  await fleet?.stop()
})

const pages: Readonly<Record<string, (page: Page) => Promise<unknown>>> = {
  '/tasks': (page) => page.getByRole('row').nth(3).waitFor(),
  '/fleet': (page) => page.getByRole('region', { name: 'Checks' }).getByText('works').first().waitFor(),
  '/cost?range=7d&by=user': (page) => page.getByRole('table').first().waitFor(),
  '/quality': (page) => page.getByRole('table').first().waitFor(),
  '/evaluations': (page) => page.getByRole('row').nth(1).waitFor(),
  '/evaluations/hostile': (page) => page.getByText('case-1').first().waitFor(),
  '/evaluations/hostile?with=before': (page) => page.getByRole('region', { name: 'Comparison' }).waitFor(),
  '/chat': (page) => page.locator('.sessions li').first().waitFor(),
  '/inbox': (page) => page.getByRole('row').nth(1).waitFor(),
}

for (const [look, options] of Object.entries({ desktop, phone }))
  test(`no page breaks, is accessible and fits: ${look}`, async () => {
    await using tab = await openTab(browser, `${url}/tasks`, options)
    const { page, problems } = tab
    for (const [path, isThere] of Object.entries(pages)) {
      await page.goto(url + path)
      await isThere(page)
      const name = `${path} ${look}`
      assert.ok(!(await page.title()).includes('owned'), name)
      assert.equal(await page.locator('main img, main script').count(), 0, name)
      assert.equal(await page.getByText('could not be drawn').count(), 0, name)
      const text = await page.locator('body').innerText()
      assert.doesNotMatch(text, /NaN|undefined|Infinity|\[object/, name)
      assert.ok(text.length < 40_000, `${name}: ${text.length} characters of ${HUGE_NAME.length}`)
      await screenshot(page, `hostile${path.replaceAll(/\W+/g, '-')}-${look}`)
      await assertFits(page, name)
      if (look === 'desktop') await assertAccessible(page, name)
    }
    assert.deepEqual(problems, [])
  })
