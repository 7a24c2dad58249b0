// The console while the API is slow, fails or is cut off: every page says so, tries again, and is whole afterwards.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { headers as names } from '../../schemas/topics.ts'
import { eventually } from '../conformance/waiting.ts'
import { assertAccessible, assertFits, openBrowser, openTab, phone, screenshot } from '../support/browser.ts'
import { startConsoleFleet } from '../support/console-fleet.ts'
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import type { TestFleet } from '../support/fleet.ts'

let fleet: TestFleet
let browser: Browser
let proxy: FaultProxy
before(async () => {
  ;[fleet, browser] = await Promise.all([startConsoleFleet(), openBrowser()])
  proxy = await startFaultProxy(fleet.process.url as string)
  await fleet.client.submit({
    taskId: 'ended',
    text: 'Where is order 4711?',
    userId: 'ana',
    sessionId: 's-1',
  })
  await fleet.client.result('ended', { timeoutMs: 120_000 })
  await fleet.client.submit({ taskId: 'waits', text: 'Please refund the lost desk' })
})
after(async () => {
  await browser?.close()
  proxy?.[Symbol.dispose]()
  await fleet?.stop()
})

/** Also after a test that failed. */
afterEach(() => {
  proxy.set(null)
  proxy.letGo()
})

/** What each page shows once it is there, and only then. */
const pages: Readonly<Record<string, (page: Page) => Promise<unknown>>> = {
  '/tasks': (page) => page.locator('.task-id', { hasText: 'ended' }).waitFor(),
  '/tasks/ended': (page) => page.locator('.detail-head .badge', { hasText: 'succeeded' }).waitFor(),
  '/inbox': (page) => page.getByRole('button', { name: 'Approve' }).waitFor(),
  '/chat/s-1': (page) => page.getByText('Where is order 4711?').first().waitFor(),
  '/fleet': (page) => page.locator('.tile', { hasText: 'lanes, all owned' }).waitFor(),
  '/fleet/lanes': (page) => page.getByRole('row', { name: /planner runs/ }).waitFor(),
  '/fleet/dead-letters': (page) => page.getByText('No dead letters').waitFor(),
  '/fleet/breakers': (page) => page.getByText('No breaker has changed its state').waitFor(),
  '/fleet/mcp': (page) => page.getByText('The fleet uses no MCP server').waitFor(),
  '/fleet/alerts': (page) => page.getByRole('row', { name: /high_error_rate quiet/ }).waitFor(),
  '/fleet/topics': (page) => page.getByRole('row', { name: /tasks\.submitted/ }).waitFor(),
  '/fleet/setup': (page) => page.getByRole('row', { name: /refund none by a person/ }).waitFor(),
  '/fleet/doctor': (page) => page.locator('.findings li', { hasText: 'schema registry' }).waitFor(),
  '/cost': (page) => page.getByRole('table').first().waitFor(),
  '/quality': (page) => page.getByRole('table').first().waitFor(),
  '/evaluations': (page) => page.getByText('No evaluation has run').waitFor(),
}
/** As many at once as two cores draw. */
const AT_ONCE = 5

const batches = (): (readonly [string, (page: Page) => Promise<unknown>])[][] => {
  const all = Object.entries(pages)
  return Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, index) =>
    all.slice(index * AT_ONCE, (index + 1) * AT_ONCE),
  )
}

test('while it waits for an answer, every page says that it loads, and then is there', async () => {
  for (const batch of batches()) {
    proxy.set({ holds: true })
    const tabs = await Promise.all(
      batch.map(async ([path, isThere]) => ({
        ...(await openTab(browser, proxy.url + path)),
        path,
        isThere,
      })),
    )
    await Promise.all(tabs.map(({ page }) => page.getByText('Loading the console').waitFor()))
    // Who one is: the next that a page asks is held again.
    proxy.letGo()
    await Promise.all(
      tabs.map(({ page }) =>
        page
          .locator('main')
          .getByText(/^Loading/)
          .first()
          .waitFor(),
      ),
    )
    proxy.set(null)
    proxy.letGo()
    for (const { page, path, problems, isThere, [Symbol.asyncDispose]: leave } of tabs) {
      await isThere(page)
      assert.equal(await page.getByText('could not be drawn').count(), 0, path)
      assert.deepEqual(problems, [], path)
      await leave()
    }
  }
})

test('with errors for answers, every page says what failed, and is there as soon as they end', async () => {
  for (const batch of batches()) {
    proxy.set({ status: 500, spares: '/v1/me' })
    const tabs = await Promise.all(
      batch.map(async ([path, isThere]) => {
        const tab = await openTab(browser, proxy.url + path)
        await tab.page.locator('main').getByText('a fault of the test: 500').first().waitFor()
        await tab.page
          .getByRole('button', { name: /^Try(ing)? again/ })
          .first()
          .waitFor()
        return { ...tab, path, isThere }
      }),
    )
    const [first] = tabs
    await assertAccessible(first?.page as Page, 'a page that failed')
    await screenshot(first?.page as Page, `failed${first?.path.replaceAll('/', '-')}`)
    proxy.set(null)
    for (const { page, path, problems, isThere, [Symbol.asyncDispose]: leave } of tabs) {
      const again = page.getByRole('button', { name: 'Try again' }).first()
      // It may have tried by itself just now.
      await again.click({ timeout: 1_000 }).catch(() => {})
      await isThere(page)
      assert.deepEqual(problems, [], path)
      await leave()
    }
  }
})

test('what was shown stays while the API fails, is said to be old, and comes up to date by itself', async () => {
  for (const [path, what] of [
    ['/fleet/lanes', 'planner'],
    ['/tasks', 'ended'],
  ] as const) {
    await using tab = await openTab(browser, proxy.url + path)
    const { page } = tab
    await page.getByText(what).first().waitFor()
    proxy.set({ status: 503, spares: '/v1/me' })
    if (path === '/tasks') await fleet.client.submit({ taskId: 'news', text: 'Good morning' })
    await page.getByText('Not up to date').first().waitFor()
    assert.ok((await page.getByText(what).count()) > 0, `${path} still shows what it had`)
    proxy.set(null)
    await page.getByText('Not up to date').first().waitFor({ state: 'detached' })
    if (path === '/tasks') await page.locator('.task-id', { hasText: 'news' }).waitFor()
  }
})

test('a stream that is cut off says so, and goes on without a gap or a repetition', async () => {
  await fleet.client.submit({ taskId: 'cut', text: 'refund it' })
  await using tab = await openTab(browser, `${proxy.url}/tasks/cut?tab=events`)
  const { page } = tab
  await page.locator('.raw-event', { hasText: 'approval.requested' }).waitFor()
  proxy.set({ path: '/v1/', status: 503 })
  proxy.cut()
  await page.locator('.connection.lost').waitFor()
  await page.getByText('what you see may be old').waitFor()
  await fleet.client.cancel('cut')
  await fleet.client.result('cut', { timeoutMs: 120_000 })
  proxy.set(null)
  await page.locator('.detail-head .badge', { hasText: 'cancelled' }).waitFor()
  const expected: string[] = []
  for await (const { type, id } of fleet.client.events('cut'))
    if (id !== null && type !== 'result') expected.push(type)
  const shown = () => page.locator('.raw-type').allInnerTexts()
  await eventually('the last is shown', async () => (await shown()).length >= expected.length)
  assert.deepEqual(await shown(), expected)
})

for (const status of [404, 200])
  test(`pages of what stands before a gateway that is away end no stream: ${status}`, async () => {
    await using list = await openTab(browser, `${proxy.url}/tasks`)
    await fleet.client.submit({ taskId: `behind-${status}`, text: 'refund it' })
    await using one = await openTab(browser, `${proxy.url}/tasks/behind-${status}`)
    await list.page.locator('.connection.live').waitFor()
    await one.page.locator('.detail-head .badge', { hasText: 'needs a person' }).waitFor()
    proxy.set({ path: '/v1/', status, isPage: true })
    proxy.cut()
    for (const { page } of [list, one]) await page.getByText('what you see may be old').waitFor()
    // The stream is asked for again meanwhile, and gets the page.
    const asked = (): number => proxy.seen.filter((path) => path === 'GET /v1/events').length
    const before = asked()
    await eventually('the stream is asked for again', async () => asked() > before + 1)
    assert.equal(await list.page.locator('.connection.lost').count(), 1)
    proxy.set(null)
    await fleet.client.cancel(`behind-${status}`)
    await fleet.client.submit({ taskId: `after-${status}`, text: 'Good morning' })
    await list.page.locator('.task-id', { hasText: `after-${status}` }).waitFor()
    await one.page.locator('.detail-head .badge', { hasText: 'cancelled' }).waitFor()
    assert.deepEqual([...list.problems, ...one.problems], [])
  })

test('a task whose submission is not answered is submitted again, and runs once', async () => {
  await using tab = await openTab(browser, `${proxy.url}/new`)
  const { page, problems } = tab
  await page.getByLabel('What the agent is to do').fill('Say hello once')
  proxy.set({ path: '/v1/tasks', method: 'POST', losesAnswer: true })
  await page.getByRole('button', { name: 'Submit' }).click()
  await page.getByText('Submit it again: it runs once').waitFor()
  assert.equal(await page.getByLabel('What the agent is to do').inputValue(), 'Say hello once')
  await screenshot(page, 'new-unanswered')
  proxy.set(null)
  await page.getByRole('button', { name: 'Submit' }).click()
  await page.waitForURL(/\/tasks\/.+/)
  await page.locator('.detail-head .badge', { hasText: 'succeeded' }).waitFor()
  const { tasks } = (await (await fetch(`${proxy.url}/v1/tasks?search=Say%20hello%20once`)).json()) as {
    tasks: unknown[]
  }
  assert.equal(tasks.length, 1)
  assert.deepEqual(problems, [])
})

test('what was typed stays when a page is left, and when a decision fails', async () => {
  await using tab = await openTab(browser, `${proxy.url}/new`)
  const { page } = tab
  await page.getByLabel('What the agent is to do').fill('A long thought')
  await page.getByRole('link', { name: 'Tasks' }).first().click()
  await page.locator('.task-id').first().waitFor()
  await page.getByRole('link', { name: 'New task' }).first().click()
  assert.equal(await page.getByLabel('What the agent is to do').inputValue(), 'A long thought')

  await page.goto(`${proxy.url}/inbox?task=waits`)
  await page.getByLabel('Reason').fill('a reason of many words')
  proxy.set({ path: '/v1/tasks/waits/approvals', status: 500 })
  await page.getByRole('button', { name: 'Approve' }).click()
  await page.locator('.decision').getByText('a fault of the test: 500').waitFor()
  assert.equal(await page.getByLabel('Reason').inputValue(), 'a reason of many words')
})

test('two tabs decide about one call: the second learns that it was late, and by whom', async () => {
  await fleet.client.submit({ taskId: 'both', text: 'refund twice' })
  await using one = await openTab(browser, `${proxy.url}/inbox?task=both`)
  await using two = await openTab(browser, `${proxy.url}/inbox?task=both`)
  for (const [{ page }, name] of [
    [one, 'Ines'],
    [two, 'Ben'],
  ] as const) {
    await page.getByRole('button', { name: 'Approve' }).waitFor()
    await page.getByLabel('Decided by').fill(name)
  }
  await one.page.getByRole('button', { name: 'Decline' }).click()
  await one.page.getByText('Declined: refund').waitFor()
  await two.page.getByRole('button', { name: 'Approve' }).click()
  await two.page.getByText('Too late for refund: declined by Ines').waitFor()
  await assertAccessible(two.page, 'too late')
  const { steps } = await fleet.client.result('both', { timeoutMs: 120_000 })
  assert.match(JSON.stringify(steps), /TOOL_DENIED/)
})

test('a part of the overview that is not known leaves the others', async () => {
  proxy.set({ path: '/v1/limits', status: 503 })
  await using tab = await openTab(browser, `${proxy.url}/fleet`)
  const { page } = tab
  await page.locator('.tile', { hasText: 'Budgets near their limit' }).getByText('not known').waitFor()
  await page.locator('.tile', { hasText: 'Records behind' }).getByText('all owned').waitFor()
  await assertAccessible(page, 'a part that is not known')
  await screenshot(page, 'fleet-partly')
  proxy.set(null)
  await page.locator('.tile', { hasText: 'Budgets near their limit' }).getByText('of today').waitFor()
})

test('records that nobody can decode are counted above the page', async () => {
  const { log } = fleet.process
  const headers = { [names.schema]: 'BreakerChanged' }
  const garbage = {
    topic: 'ops.health',
    partition: 0,
    key: 'x',
    value: Buffer.from('{"x":1}'),
    headers,
  } as const
  await log.publish([garbage, garbage])
  for (const [name, options] of [
    ['desktop', undefined],
    ['phone', phone],
  ] as const) {
    await using tab = await openTab(browser, `${proxy.url}/fleet/breakers`, options)
    const { page, problems } = tab
    await page.getByText('Not shown of ops.health: 2 records').waitFor()
    await assertAccessible(page, `records that are left out, ${name}`)
    await assertFits(page, name)
    await screenshot(page, `omitted-${name}`)
    await page.goto(`${proxy.url}/fleet/alerts`)
    await page.getByRole('row', { name: /high_error_rate/ }).waitFor()
    assert.equal(await page.getByText('Not shown of').count(), 0)
    assert.deepEqual(problems, [])
  }
})
