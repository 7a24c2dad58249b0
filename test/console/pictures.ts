// The pictures of the console in README.md, both of fleets with the scripted model: `npm run pictures`.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { HttpClient } from '../../client/http/client.ts'
import { demoTasks } from '../../examples/demo-tasks.ts'
import { openBrowser, openTab } from '../support/browser.ts'
import { ledgerTasks, startConsoleFleet } from '../support/console-fleet.ts'
import { startServices } from '../support/service-process.ts'

const root = join(import.meta.dirname, '../..')
const viewport = { width: 1280, height: 760 }

const save = (page: Page, name: string): Promise<Buffer> =>
  page.screenshot({ path: join(root, 'docs/images', `${name}.png`), animations: 'disabled' })

const browser = await openBrowser()
await oneTask(browser)
await manyTasks(browser)
await browser.close()

/** The first task of the demo, as it runs in a clone. */
async function oneTask(browser: Browser): Promise<void> {
  const [task] = demoTasks
  if (!task) throw new Error('the demo has no task')
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-pictures-'))
  const env = { FLOTILLA_DATA: directory, FLOTILLA_CONFIG: join(root, 'flotilla.config.ts') }
  const fleet = await startServices([], { env })
  try {
    await fleet.ready()
    const client = new HttpClient(fleet.url)
    // The first one starts Python.
    for (const taskId of ['warm-up', 'orders-by-region']) {
      await client.submit({ taskId, text: task.text, mode: 'code', userId: 'ben' })
      await client.result(taskId, { timeoutMs: 120_000 })
    }
    await using tab = await openTab(browser, `${fleet.url}/tasks/orders-by-region?step=1`, { viewport })
    await tab.page.getByText('Python', { exact: true }).last().waitFor()
    await tab.page.mouse.move(0, 0)
    await save(tab.page, 'console-task')
  } finally {
    await fleet.kill9()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function manyTasks(browser: Browser): Promise<void> {
  await using fleet = await startConsoleFleet()
  await ledgerTasks(fleet, 300)
  const submitted = [
    { taskId: 'shipping-review', text: 'Which orders are late, and why?', agent: 'analyst', userId: 'ana' },
    { taskId: 'order-4711', text: 'Where is order 4711?', userId: 'ben' },
    { taskId: 'refund-4712', text: 'Order 4712 never came: refund it, please.', userId: 'dora' },
  ]
  for (const task of submitted) await fleet.client.submit(task)
  for (const taskId of ['shipping-review', 'order-4711'])
    await fleet.client.result(taskId, { timeoutMs: 120_000 })
  await using tab = await openTab(browser, `${fleet.process.url}/tasks`, { viewport })
  await tab.page.locator('.badge', { hasText: 'needs a person' }).waitFor()
  await tab.page.locator('.connection', { hasText: 'Live' }).waitFor()
  await save(tab.page, 'console-tasks')
}
