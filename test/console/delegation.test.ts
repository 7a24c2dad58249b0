// Delegated tasks as a tree, with a call of a child that waits for a person; and the queue by priority and user.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { homeOf } from '../../runtime/log/home.ts'
import { headers as names } from '../../schemas/topics.ts'
import { assertAccessible, desktop, openBrowser, openTab, phone, screenshot } from '../support/browser.ts'
import { assertFits } from '../support/browser.ts'
import { consoleScript, startConsoleFleet } from '../support/console-fleet.ts'
import type { TestFleet } from '../support/fleet.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'

const script: Script = (exchange) => {
  const { task, turn } = exchange
  if (!task.includes('customer')) return consoleScript(exchange)
  const asked = { name: 'ask_clerk', arguments: { task: 'refund order 4712' } }
  return turn === 0 ? { text: 'I ask the clerk.', toolCalls: [asked] } : { text: 'The clerk paid it back.' }
}

let fleet: TestFleet
let browser: Browser
let url: string
before(async () => {
  const definition = {
    agents: {
      lead: { mode: 'tools' as const, delegates: ['clerk'] },
      clerk: { mode: 'tools' as const, tools: ['refund'], description: 'Pays back.' },
    },
    defaultAgent: 'lead',
  }
  ;[fleet, browser] = await Promise.all([startConsoleFleet({ model: { script }, definition }), openBrowser()])
  url = fleet.process.url as string
})
after(async () => {
  await browser?.close()
  await fleet?.stop()
})

test('a task shows the tree of what it delegated, and the call in it that waits for a person', async () => {
  await fleet.client.submit({ taskId: 'customer', text: 'The customer wants money back' })
  await using tab = await openTab(browser, `${url}/tasks/customer`, desktop)
  const { page, problems } = tab
  const tree = page.getByRole('region', { name: 'Delegated tasks' })
  await page.getByText('Children', { exact: true }).click()
  await tree.getByText('needs a person').waitFor()
  await tree.getByText('1 delegated').waitFor()
  await tree.getByText('refund order 4712').waitFor()
  await assertAccessible(page, 'tree')
  await screenshot(page, 'task-tree')
  await page.setViewportSize(phone.viewport ?? { width: 390, height: 844 })
  await assertFits(page, 'tree on a phone')
  await page.setViewportSize(desktop.viewport ?? { width: 1360, height: 860 })

  await page.goto(`${url}/inbox`)
  await page.getByLabel('Decided by').fill('ana')
  await page.getByRole('button', { name: /Approve/ }).click()
  await page.goto(`${url}/tasks/customer`)
  await page.getByText('Children', { exact: true }).click()
  await tree.getByText('succeeded').waitFor()
  await page.getByText('The clerk paid it back.').first().waitFor()
  assert.deepEqual(problems, [])
})

async function queuedTask(taskId: string, userId: string, priority: number): Promise<void> {
  const { log, codec, stores } = fleet.process
  const lane = homeOf(taskId, log.partitions)
  const atMs = Date.now() - 60_000
  const row = { text_start: 'x', text_hash: 'x', agent: null, model: null, profile: null, session_id: null }
  const whose = { task_id: taskId, user_id: userId, submitted_at_ms: atMs, parent: null, lane }
  await stores.sql
    .insertInto('open_tasks')
    .values({ ...row, ...whose })
    .execute()
  const detail = { priority, waiting: 3, inFlight: 1 }
  const data = { taskId, stage: 'router', kind: 'queued', step: null, atMs, detail } as const
  const value = codec.encode('TaskProgressed', data, 'tasks.history')
  const headers = { [names.schema]: 'TaskProgressed' }
  await log.publish([{ topic: 'tasks.history', partition: lane, key: taskId, value, headers }])
}

test('the queue is shown by priority and user, as the router takes it', async () => {
  for (const [index, [user, priority]] of (
    [
      ['ben', 0],
      ['ana', 5],
      ['ana', 0],
      ['ben', 0],
    ] as const
  ).entries())
    await queuedTask(`queued-${index}`, user, priority)
  await using tab = await openTab(browser, `${url}/fleet`, desktop)
  const { page, problems } = tab
  const queue = page.getByRole('region', { name: 'Queue by priority and user' })
  await queue.getByRole('row').nth(3).waitFor()
  const cells = await queue.getByRole('row').allInnerTexts()
  assert.deepEqual(
    cells.map((text) => text.split(/\s+/).slice(0, 3).join(' ')),
    ['Priority User Queued', '5 ana 1', '0 ben 2', '0 ana 1'],
  )
  await screenshot(page, 'fleet-queue')
  assert.deepEqual(problems, [])
})
