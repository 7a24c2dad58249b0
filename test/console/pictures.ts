// The pictures of the console in README.md, of a fleet with the scripted model: `npm run pictures`.
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { openBrowser, openTab } from '../support/browser.ts'
import { ledgerTasks, startConsoleFleet } from '../support/console-fleet.ts'

const directory = join(import.meta.dirname, '../../docs/images')
const viewport = { width: 1280, height: 760 }

const save = (page: Page, name: string): Promise<Buffer> =>
  page.screenshot({ path: join(directory, `${name}.png`), animations: 'disabled' })

await using fleet = await startConsoleFleet()
const browser = await openBrowser()
const { url } = fleet.process
await ledgerTasks(fleet, 300)
const submitted = [
  { taskId: 'shipping-review', text: 'Which orders are late, and why?', agent: 'analyst', userId: 'ana' },
  { taskId: 'order-4711', text: 'Where is order 4711?', userId: 'ben' },
  { taskId: 'refund-4712', text: 'Order 4712 never came: refund it, please.', userId: 'dora' },
]
for (const task of submitted) await fleet.client.submit(task)
for (const taskId of ['shipping-review', 'order-4711'])
  await fleet.client.result(taskId, { timeoutMs: 120_000 })

await using tab = await openTab(browser, `${url}/tasks/shipping-review?step=1`, { viewport })
const { page } = tab
await page.locator('.task-head .badge', { hasText: 'succeeded' }).waitFor()
await page.getByText('Printed').waitFor()
await page.mouse.move(0, 0)
await save(page, 'console-task')

await page.goto(`${url}/tasks`)
await page.locator('.badge', { hasText: 'needs a person' }).waitFor({ timeout: 60_000 })
await page.locator('.connection', { hasText: 'Live' }).waitFor()
await save(page, 'console-tasks')
await browser.close()
