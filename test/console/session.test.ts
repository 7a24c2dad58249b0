// A viewer whose key ends in the middle of something, who signs out with something unsent, or is somebody else: in
// Chromium, on a closed fleet.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { Scope } from '../../api/scopes.ts'
import { DirectKeys } from '../../operator/direct/keys.ts'
import { eventually } from '../conformance/waiting.ts'
import {
  assertAccessible,
  assertFits,
  openBrowser,
  openTab,
  phone,
  screenshot,
  tabTo,
} from '../support/browser.ts'
import { startConsoleFleet } from '../support/console-fleet.ts'
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import type { TestFleet } from '../support/fleet.ts'

const all: Scope[] = ['tasks:submit', 'tasks:read', 'tasks:cancel', 'approvals:decide', 'ops:read']
let fleet: TestFleet
let browser: Browser
let proxy: FaultProxy
let keys: DirectKeys
before(async () => {
  ;[fleet, browser] = await Promise.all([startConsoleFleet(), openBrowser()])
  const url = fleet.process.url as string
  proxy = await startFaultProxy(url)
  keys = new DirectKeys(fleet.process.stores.sql)
  await keys.create({ name: 'first', scopes: ['keys:write'], userId: null }, null)
  await eventually('the API is closed', async () => (await fetch(`${url}/v1/tasks`)).status === 401)
})
after(async () => {
  await browser?.close()
  proxy?.[Symbol.dispose]()
  await fleet?.stop()
})
/** Also after a test that failed. */
afterEach(() => proxy.set(null))

const keyOf = (userId: string, scopes = all) => keys.create({ name: userId, scopes, userId }, null)

async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel('API key or token').fill(key)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByLabel('API key or token').waitFor({ state: 'detached' })
}

const prompt = (page: Page) => page.getByLabel('What the agent is to do')

test('a key that is revoked while a task is written: sign in again, and everything is still there', async () => {
  const first = await keyOf('ana')
  await using tab = await openTab(browser, `${proxy.url}/new`)
  const { page, problems } = tab
  await signIn(page, first.key)
  await prompt(page).fill('A prompt that took an hour to write')
  await page.getByText('Limits, output schema, session').click()
  await page.getByLabel('Most steps').fill('7')
  await keys.revoke(first.id)
  await eventually('the key is refused', async () => {
    const headers = { authorization: `Bearer ${first.key}` }
    return (await fetch(`${proxy.url}/v1/me`, { headers })).status === 401
  })
  await page.getByRole('button', { name: 'Submit' }).click()
  await page.getByText('does not accept your key any more').waitFor()
  assert.ok(!(await page.locator('body').innerText()).includes('took an hour'), 'nobody else reads it')
  await assertAccessible(page, 'a session that ended')
  await screenshot(page, 'session-ended')
  await signIn(page, (await keyOf('ana')).key)
  // The second key has the same user and name.
  await prompt(page).waitFor()
  assert.equal(await prompt(page).inputValue(), 'A prompt that took an hour to write')
  await page.reload()
  await signIn(page, (await keyOf('ana')).key)
  assert.equal(await prompt(page).inputValue(), 'A prompt that took an hour to write', 'after a reload too')
  await page.getByRole('button', { name: 'Submit' }).click()
  await page.waitForURL(/\/tasks\/.+/)
  await page.locator('.detail-head .badge', { hasText: 'succeeded' }).waitFor()
  await page.getByText('of 7').first().waitFor()
  assert.equal(await page.evaluate('sessionStorage.length'), 0, 'what was sent is no draft')
  assert.deepEqual(problems, [])
})

test('somebody else who signs in finds nothing of what was typed before', async () => {
  const first = await keyOf('ana')
  await using tab = await openTab(browser, `${proxy.url}/new`)
  const { page } = tab
  await signIn(page, first.key)
  await prompt(page).fill('for Ana’s eyes')
  proxy.set({ path: '/v1/', status: 401 })
  await page.getByRole('button', { name: 'Submit' }).click()
  await page.getByText('does not accept your key any more').waitFor()
  proxy.set(null)
  await signIn(page, (await keyOf('ben')).key)
  assert.equal(await prompt(page).inputValue(), '')
  const stored = await page.evaluate('JSON.stringify({ ...sessionStorage, ...localStorage })')
  assert.ok(!String(stored).includes('Ana'), String(stored))
})

for (const [name, options] of [
  ['desktop', undefined],
  ['phone', phone],
] as const)
  test(`signing out with something unsent asks first, and then keeps nothing: ${name}`, async () => {
    await using tab = await openTab(browser, `${proxy.url}/new`, options)
    const { page, problems } = tab
    await signIn(page, (await keyOf('ana')).key)
    await prompt(page).fill('half a thought')
    await tabTo(page, page.getByRole('button', { name: 'Sign out' }))
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Sign out?' })
    await dialog.waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    assert.match(String(await page.evaluate('document.activeElement.outerHTML')), /aria-label="Sign out"/)
    await page.getByRole('button', { name: 'Sign out' }).press('Enter')
    await dialog.getByText('New task').waitFor()
    await assertAccessible(page, 'sign out?')
    await assertFits(page, 'sign out?')
    await screenshot(page, `sign-out-${name}`)
    await dialog.getByRole('button', { name: 'Stay' }).click()
    assert.equal(await prompt(page).inputValue(), 'half a thought')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await dialog.getByRole('button', { name: 'Sign out and drop it' }).click()
    await page.getByLabel('API key or token').waitFor()
    assert.equal(await page.evaluate('sessionStorage.length + localStorage.length'), 0)
    await signIn(page, (await keyOf('ana')).key)
    assert.equal(await prompt(page).inputValue(), '')
    assert.deepEqual(problems, [])
  })

test('a key that ends while a task is followed: the stream goes on after signing in again', async () => {
  const first = await keyOf('ana')
  await using tab = await openTab(browser, `${proxy.url}/tasks/followed`)
  const { page } = tab
  await fleet.client.submit({ taskId: 'followed', text: 'refund it', userId: 'ana' })
  await signIn(page, first.key)
  await page.locator('.detail-head .badge', { hasText: 'needs a person' }).waitFor()
  await keys.revoke(first.id)
  await eventually('the key is refused', async () => {
    const headers = { authorization: `Bearer ${first.key}` }
    return (await fetch(`${proxy.url}/v1/me`, { headers })).status === 401
  })
  proxy.cut()
  await page.getByText('does not accept your key any more').waitFor()
  await fleet.client.cancel('followed')
  await fleet.client.result('followed', { timeoutMs: 120_000 })
  await signIn(page, (await keyOf('ana')).key)
  await page.locator('.detail-head .badge', { hasText: 'cancelled' }).waitFor()
})

test('a scope that is refused is said where it was needed, and takes nothing away', async () => {
  await using tab = await openTab(browser, `${proxy.url}/new`)
  const { page } = tab
  await signIn(page, (await keyOf('ana')).key)
  await prompt(page).fill('not for me')
  proxy.set({ path: '/v1/tasks', method: 'POST', status: 403 })
  await page.getByRole('button', { name: 'Submit' }).click()
  await page.getByRole('alert').getByText('FORBIDDEN').waitFor()
  proxy.set(null)
  assert.equal(await prompt(page).inputValue(), 'not for me')
  await page.getByRole('button', { name: 'Submit' }).click()
  await page.waitForURL(/\/tasks\/.+/)
})
