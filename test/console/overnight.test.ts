// Pages that are left open, turned, enlarged, walked back and forth through, and refused something in the middle.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { homeOf } from '../../runtime/log/home.ts'
import { headers as names } from '../../schemas/topics.ts'
import { assertFits, desktop, openBrowser, openTab, phone, screenshot } from '../support/browser.ts'
import { ledgerTasks, longTask, startConsoleFleet } from '../support/console-fleet.ts'
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import type { TestFleet } from '../support/fleet.ts'

let fleet: TestFleet
let browser: Browser
let proxy: FaultProxy
before(async () => {
  ;[fleet, browser] = await Promise.all([startConsoleFleet(), openBrowser()])
  proxy = await startFaultProxy(fleet.process.url as string)
  await Promise.all([ledgerTasks(fleet, 400), longTask(fleet, 'long', 60)])
})
after(async () => {
  await browser?.close()
  proxy?.[Symbol.dispose]()
  await fleet?.stop()
})
/** Also after a test that failed. */
afterEach(() => proxy.set(null))

const EVENTS = 10_000
const AT_ONCE = 500
/** Of the heap, after so many events. */
const MOST_GROWTH_BYTES = 3_000_000

/** After a collection of garbage. */
async function heapBytes(page: Page): Promise<number> {
  const debug = await page.context().newCDPSession(page)
  await debug.send('HeapProfiler.collectGarbage')
  const { usedSize } = await debug.send('Runtime.getHeapUsage')
  await debug.detach()
  return usedSize
}

/** Events of tasks that are not in the list, as a busy fleet writes them. */
async function publishEvents(from: number, count: number): Promise<void> {
  const { log, codec } = fleet.process
  const records = Array.from({ length: count }, (_, at) => {
    const taskId = `night-${from + at}`
    const detail = { model: 'scripted/scripted', text: `Thought ${from + at}`, inputTokens: 900, cost: 0.01 }
    const event = {
      taskId,
      stage: 'planner',
      kind: 'model_called',
      step: 1,
      atMs: Date.now(),
      detail,
    } as const
    return {
      topic: 'tasks.history' as const,
      partition: homeOf(taskId, log.partitions),
      key: taskId,
      value: codec.encode('TaskProgressed', event, 'tasks.history'),
      headers: { [names.schema]: 'TaskProgressed' },
    }
  })
  await log.publish(records)
}

test(`the list after a night of ${EVENTS} events is as large as before`, async () => {
  await using tab = await openTab(browser, `${proxy.url}/tasks`)
  const { page, problems } = tab
  await page.locator('.task-id').first().waitFor()
  const taken = async (text: string): Promise<void> => {
    await fleet.client.submit({ taskId: text, text })
    await page.locator('.task-id', { hasText: text }).waitFor()
  }
  await publishEvents(0, AT_ONCE)
  await taken('evening')
  const before = await heapBytes(page)
  for (let from = AT_ONCE; from < EVENTS; from += AT_ONCE) await publishEvents(from, AT_ONCE)
  await taken('morning')
  const growth = (await heapBytes(page)) - before
  console.log(`${EVENTS} events: the heap of the page grew by ${(growth / 1e6).toFixed(2)} MB`)
  assert.ok(growth < MOST_GROWTH_BYTES, `${growth} bytes`)
  assert.deepEqual(problems, [])
})

test('a phone that is turned: the rows have the height of the new width', async () => {
  await using tab = await openTab(browser, `${proxy.url}/tasks`, phone)
  const { page, problems } = tab
  /** The list measures its rows a frame after they were laid out. */
  const rowsAdjoin = (rows: string, below = Infinity): Promise<unknown> =>
    page.waitForFunction(`(() => {
      const [first, second] = [...document.querySelectorAll(${JSON.stringify(rows)})]
        .map((row) => row.getBoundingClientRect())
      return first.height < ${below} && Math.abs(second.y - first.y - first.height) < 1
    })()`)
  for (const [path, rows] of [
    ['/tasks', '.table-body .table-row'],
    ['/tasks/long', '.step'],
  ] as const) {
    await page.goto(proxy.url + path)
    await page.locator(rows).nth(1).waitFor()
    await rowsAdjoin(rows)
    const upright = await page.locator(rows).first().boundingBox()
    await page.setViewportSize({ width: 844, height: 390 })
    await rowsAdjoin(rows, upright?.height)
    await assertFits(page, `${path} across`)
    const cells = page.locator(`${rows}`).first().locator('.cell:visible')
    for (const cell of await cells.all()) {
      const box = await cell.boundingBox()
      assert.ok((box?.x ?? 0) + (box?.width ?? 0) <= 844, `${path}: ${await cell.innerText()} is cut off`)
    }
    await screenshot(page, `turned${path.replaceAll('/', '-')}`)
    await page.setViewportSize({ width: 390, height: 844 })
  }
  assert.deepEqual(problems, [])
})

test('at 200 % every page fits a laptop', async () => {
  const zoomed = { viewport: { width: 680, height: 430 }, deviceScaleFactor: 2 }
  await using tab = await openTab(browser, proxy.url, zoomed)
  const { page, problems } = tab
  for (const path of [
    ...['/tasks', '/tasks/long', '/inbox', '/new', '/chat', '/fleet', '/fleet/lanes', '/fleet/mcp'],
    ...['/fleet/setup', '/cost?range=7d', '/quality', '/evaluations'],
  ]) {
    await page.goto(proxy.url + path)
    await page.locator('main h1').first().waitFor()
    await page.locator('main .spinner').waitFor({ state: 'detached' })
    await assertFits(page, `${path} at 200 %`)
    await screenshot(page, `zoomed${path.replaceAll(/\W+/g, '-')}`)
  }
  assert.deepEqual(problems, [])
})

test('back and forward lead through pages, filters and steps as they were', async () => {
  await using tab = await openTab(browser, `${proxy.url}/tasks`, desktop)
  const { page, problems } = tab
  await page.locator('.task-id').first().waitFor()
  await page.getByRole('link', { name: 'Failed', exact: true }).click()
  await page.waitForURL(/status=failed/)
  await page.getByRole('link', { name: 'Fleet' }).click()
  await page.locator('.tile').first().waitFor()
  await page.locator('.tabs').getByRole('link', { name: 'MCP servers' }).click()
  await page.getByText('The fleet uses no MCP server').waitFor()
  await page.goBack()
  await page.locator('.tile').first().waitFor()
  await page.goBack()
  await page.waitForURL(/status=failed/)
  await page.locator('.filter-bar a[aria-current]', { hasText: 'Failed' }).waitFor()
  await page.goBack()
  await page.waitForURL(/\/tasks$/)
  await page.goForward()
  await page.goForward()
  await page.goForward()
  await page.getByText('The fleet uses no MCP server').waitFor()
  await page.goto(`${proxy.url}/tasks/long?step=40`)
  await page.getByRole('link', { name: 'Link to this step' }).waitFor()
  assert.match(await page.locator('.step-line[aria-expanded=true]').innerText(), /^40/)
  assert.deepEqual(problems, [])
})

test('403 in the middle: the page says so and keeps what it has, and the viewer stays', async () => {
  await using tab = await openTab(browser, `${proxy.url}/fleet/lanes`)
  const { page, problems } = tab
  await page.getByRole('row', { name: /planner runs/ }).waitFor()
  proxy.set({ status: 403, spares: '/v1/me' })
  await page.getByText('Not up to date').first().waitFor()
  await page.getByRole('row', { name: /planner runs/ }).waitFor()
  await page.getByRole('button', { name: 'Pause alerting' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Pause alerting' }).click()
  await page.locator('.toast.bad', { hasText: '403' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('link', { name: 'Tasks' }).first().click()
  await page.locator('main').getByText('a fault of the test: 403').first().waitFor()
  assert.equal(await page.getByLabel('API key or token').count(), 0)
  proxy.set(null)
  await page.getByRole('button', { name: 'Try again' }).first().click()
  await page.locator('.task-id').first().waitFor()
  assert.deepEqual(problems, [])
})

test('a tab that was open over an upgrade says so, and has the new console once it is loaded again', async () => {
  await using tab = await openTab(browser, `${proxy.url}/tasks`)
  const { page, problems } = tab
  const notice = page.getByText('The fleet has another release of the console')
  await page.locator('.connection', { hasText: 'Live' }).waitFor()
  proxy.cut()
  await page.getByText('Connected again').waitFor()
  assert.equal(await notice.count(), 0, 'the same release')
  // Files of the next one have other names, and those of this one are gone.
  await page.route(`${proxy.url}/`, async (route) => {
    if (route.request().isNavigationRequest()) return route.continue()
    const response = await route.fetch()
    const body = (await response.text()).replace(/main-\w+\.js/, 'main-NEXT.js')
    await route.fulfill({ response, body })
  })
  await page.route('**/assets/uPlot*', (route) => route.fulfill({ status: 404 }))
  proxy.cut()
  await notice.waitFor()
  await assertFits(page, 'another release')
  await page.getByRole('link', { name: 'Cost', exact: true }).click()
  await page.getByText('The plot could not be loaded').first().waitFor()
  await page.unroute('**/assets/uPlot*')
  await page.getByRole('button', { name: 'Reload' }).click()
  await page.getByRole('table').first().waitFor()
  assert.equal(await notice.count(), 0)
  assert.deepEqual(problems, [])
})

test('of a task whose events the log no longer has stands what the ledger keeps', async () => {
  await using tab = await openTab(browser, `${proxy.url}/tasks/ticket-00001`)
  const { page, problems } = tab
  await page.getByText('The log no longer has the events and the result').waitFor()
  const figures = await page.locator('.figures').innerText()
  assert.match(figures, /[\d,]+ in · [\d,]+ out/)
  assert.doesNotMatch(figures, /\b0 in/)
  assert.equal(await page.getByText('No step has begun').count(), 0)
  assert.equal(await page.getByRole('alert').count(), 0)
  await page.locator('.badge').first().waitFor()
  assert.deepEqual(problems, [])
})

test('a task whose events are gone while the log has those of others of its time is said to be, once', async () => {
  await publishEvents(EVENTS, 100)
  await ledgerTasks(fleet, 1, 'gone')
  // It ended a minute before the last of them: later than the first, by clocks that differ by as much.
  const completed_at_ms = Date.now() - 60_001
  await fleet.process.stores.sql
    .updateTable('task_ledger')
    .set({ submitted_at_ms: completed_at_ms - 3_600_000, completed_at_ms })
    .where('task_id', '=', 'gone-00001')
    .execute()
  await using tab = await openTab(browser, `${proxy.url}/tasks/gone-00001`)
  const { page, problems } = tab
  await page.getByText('The log no longer has the events and the result').waitFor()
  assert.equal(await page.locator('.notice').count(), 1)
  assert.equal(await page.getByText('what you see may be old').count(), 0)
  await page.locator('.connection.none').waitFor({ state: 'attached' })
  assert.deepEqual(problems, [])
})
