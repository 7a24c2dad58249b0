// A conversation in Chromium, in which somebody reads what was said before.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { eventually } from '../conformance/waiting.ts'
import { openBrowser, openTab } from '../support/browser.ts'
import { startConsoleFleet } from '../support/console-fleet.ts'
import type { TestFleet } from '../support/fleet.ts'
import { writeSession } from '../../services/metering/sessions.ts'

const TURNS = 2
let fleet: TestFleet
let browser: Browser
before(async () => {
  ;[fleet, browser] = await Promise.all([startConsoleFleet(), openBrowser()])
  for (let turn = 1; turn <= TURNS; turn++) {
    const taskId = `turn-${turn}`
    await fleet.client.submit({ taskId, text: `Tell me story ${turn} pace=20`, sessionId: 'stories' })
    await fleet.client.result(taskId, { timeoutMs: 120_000 })
  }
})
after(async () => {
  await browser?.close()
  await fleet?.stop()
})

const belowPx = async (page: Page): Promise<number> =>
  Number(
    await page.evaluate(
      "(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight)(document.querySelector('.turns'))",
    ),
  )

async function ask(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message' }).fill(text)
  await page.keyboard.press('Enter')
}

test('an answer is followed as it is written, unless one reads back', async () => {
  await using tab = await openTab(browser, `${fleet.process.url}/chat/stories`)
  const { page, problems } = tab
  const ended = page.locator('.turn .badge', { hasText: 'succeeded' })
  await ended.nth(TURNS - 1).waitFor()
  await eventually('the end is shown', async () => (await belowPx(page)) < 40)
  await ask(page, 'Tell me one more story')
  await page.locator('.streaming').getByText('Sentence 0 of the story').waitFor()
  await page.evaluate("document.querySelector('.turns').scrollTop = 0")
  await ended.nth(TURNS).waitFor()
  assert.equal(await page.evaluate("document.querySelector('.turns').scrollTop"), 0)
  await ask(page, 'And a last story')
  await ended.nth(TURNS + 1).waitFor()
  await eventually('the end is shown again', async () => (await belowPx(page)) < 40)
  assert.deepEqual(problems, [])
})

test('every conversation is within reach, under what it began with, and the list stays where it was', async () => {
  const { sql } = fleet.process.stores
  const SESSIONS = 120
  for (let at = 1; at <= SESSIONS; at++) {
    const turn = {
      turn: 1,
      task_id: `old-${at}`,
      status: 'succeeded',
      asked: `Question ${at}`,
      answered: 'Yes.',
    }
    await writeSession(sql, { session_id: `old-${at}`, user_id: null, at_ms: at, turn, variables: null })
  }
  await using tab = await openTab(browser, `${fleet.process.url}/chat`)
  const { page, problems } = tab
  const more = page.getByRole('button', { name: 'Show more' })
  const first = page.getByRole('link', { name: /^Question 1 1 turn/ })
  await eventually('the first one is listed', async () => {
    if ((await first.count()) === 0 && (await more.count()) > 0) await more.click()
    return (await first.count()) > 0
  })
  assert.equal(await more.count(), 0)
  await first.click()
  await page.locator('.turn').getByText('Question 1').waitFor()
  assert.ok(await first.isVisible())
  assert.ok(Number(await page.evaluate("document.querySelector('.sessions').scrollTop")) > 1_000)
  assert.deepEqual(problems, [])
})

test('an answer under way is stopped', async () => {
  await using tab = await openTab(browser, `${fleet.process.url}/chat`)
  const { page, problems } = tab
  await ask(page, 'Tell me a story of no end pace=1000')
  await page.locator('.streaming').getByText('Sentence 0 of the story').waitFor()
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.locator('.turn .badge', { hasText: 'cancelled' }).waitFor()
  assert.equal(await page.getByRole('button', { name: 'Stop' }).count(), 0)
  assert.deepEqual(problems, [])
})
