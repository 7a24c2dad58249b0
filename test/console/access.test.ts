// The console of a closed fleet in Chromium, by playwright, and the files that make it: sign-in, scopes, chat, content policy, weight.
import assert from 'node:assert/strict'
import { get } from 'node:http'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Browser } from 'playwright-core'
import { DirectKeys } from '../../operator/direct/keys.ts'
import type { Scope } from '../../api/scopes.ts'
import { eventually } from '../conformance/waiting.ts'
import { assertAccessible, assertFits, openBrowser, openTab, phone, screenshot } from '../support/browser.ts'
import { startConsoleFleet } from '../support/console-fleet.ts'
import type { TestFleet } from '../support/fleet.ts'

let fleet: TestFleet
let browser: Browser
let url: string
let keys: DirectKeys
before(async () => {
  ;[fleet, browser] = await Promise.all([startConsoleFleet(), openBrowser()])
  url = fleet.process.url as string
  keys = new DirectKeys(fleet.process.stores.sql)
})
after(async () => {
  await browser?.close()
  await fleet?.stop()
})

/** Files that the page names, and what a browser gets of each. */
async function firstLoad() {
  const page = await fetch(url)
  const html = await page.text()
  const names = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, name = '']) => name)
  const files = await Promise.all(
    names.map(async (name) => {
      const response = await fetch(url + name)
      return { name, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) }
    }),
  )
  return { page, html, files }
}

test('the page and its files: strict content policy, no other host, hashed names, less than 100 KB', async () => {
  const { page, html, files } = await firstLoad()
  assert.equal(page.headers.get('cache-control'), 'no-store')
  const policy = page.headers.get('content-security-policy') ?? ''
  for (const part of [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "frame-ancestors 'none'",
  ])
    assert.ok(policy.includes(part), part)
  assert.doesNotMatch(policy, /unsafe/)
  assert.doesNotMatch(html, /https?:\/\//)
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|<style|\bon\w+=/)
  assert.equal(files.length, 3)
  let sum = 0
  for (const { name, headers, body } of files) {
    assert.match(name, /-[A-Z0-9]{8}\.(js|css|svg)$/)
    assert.match(headers.get('cache-control') ?? '', /immutable/)
    sum += gzipSync(body).length
  }
  console.log(`first load: ${sum} bytes by gzip`)
  assert.ok(sum < 100_000, `${sum} bytes`)
  for (const [encoding, sent] of [
    ['br', 'br'],
    ['gzip', 'gzip'],
    ['identity', null],
  ] as const) {
    const { headers } = await fetch(url + files[1]?.name, { headers: { 'accept-encoding': encoding } })
    assert.equal(headers.get('content-encoding'), sent)
  }
})

test('deep links are the page; other paths are not', async () => {
  const { html } = await firstLoad()
  for (const path of ['/tasks', '/tasks/a%2Fb?step=3', '/new', '/chat/x', '/inbox', '/fleet', '/cost'])
    assert.equal(await (await fetch(url + path)).text(), html, path)
  for (const path of ['/elsewhere', '/tasks/a/b', '/assets/index.html', '/assets/..%2findex.html'])
    assert.equal((await fetch(url + path)).status, 404, path)
  const followed = (path: string) => fetch(url + path, { headers: { accept: 'text/html,*/*;q=0.8' } })
  const nowhere = await followed('/elsewhere/x')
  assert.deepEqual([nowhere.status, await nowhere.text()], [404, html])
  for (const path of ['/v1/elsewhere', '/assets/elsewhere.js'])
    assert.match((await followed(path)).headers.get('content-type') ?? '', /json/, path)
  assert.equal(
    (await fetch(`${url}/v1/tasks`)).headers.get('content-type'),
    'application/json; charset=utf-8',
  )
})

test('a link of another site opens the page, and nothing else', async () => {
  // fetch has a sec-fetch-mode of its own.
  const statusOf = (path: string, destination = 'document'): Promise<number | undefined> => {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
    const headers = {
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': destination,
    }
    get(url + path, { headers, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).on('error', reject)
    return promise
  }
  for (const path of ['/', '/tasks/x', '/docs']) assert.equal(await statusOf(path), 200, path)
  for (const path of ['/v1/tasks', '/v1/me', '/v1/fleet/config', '/openapi.json'])
    assert.equal(await statusOf(path), 403, path)
  assert.equal(await statusOf('/tasks/x', 'iframe'), 403)
})

test('chat: a conversation of tasks, with what was said before', async () => {
  await using tab = await openTab(browser, `${url}/chat`)
  const { page, problems } = tab
  await assertAccessible(page, 'chat, empty')
  await page.getByRole('textbox', { name: 'Message' }).fill('Good morning')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/chat\/chat-/)
  await page.getByText('Fine: Good morning').waitFor()
  await page.getByText('succeeded').waitFor()
  await page.getByRole('textbox', { name: 'Message' }).fill('And again')
  await page.keyboard.press('Enter')
  await page.locator('.turn').nth(1).getByText('succeeded').waitFor()
  await page.getByRole('link', { name: /Good morning.*2 turns/ }).waitFor()
  const session = decodeURIComponent(new URL(page.url()).pathname.slice('/chat/'.length))
  const list = (await (await fetch(`${url}/v1/tasks?session=${session}`)).json()) as {
    tasks: { taskId: string; sessionId: string }[]
  }
  assert.deepEqual(
    list.tasks.map(({ sessionId }) => sessionId),
    [session, session],
  )
  const submission = (await (await fetch(`${url}/v1/tasks/${list.tasks[0]?.taskId}/submission`)).json()) as {
    history: unknown
  }
  assert.equal(submission.history, null, 'the fleet remembers it')
  await page.reload()
  await page.locator('.turn').nth(1).getByText('succeeded').waitFor()
  await assertAccessible(page, 'chat')
  await screenshot(page, 'chat')
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await assertAccessible(page, 'delete a session')
  await page.getByRole('button', { name: 'Delete the session' }).click()
  await page.waitForURL(/\/chat$/)
  await eventually('it is gone', async () => (await fetch(`${url}/v1/sessions/${session}`)).status === 404)
  await page.getByRole('link', { name: /Good morning/ }).waitFor({ state: 'detached' })
  assert.deepEqual(problems, [])
})

test('closed: it asks for a key, keeps none in storage, and shows what the key allows', async () => {
  const make = async (name: string, scopes: Scope[], userId: string | null = null) =>
    (await keys.create({ name, scopes, userId }, null)).key
  await make('first', ['keys:write'])
  const reader = await make('reader', ['tasks:read'], 'ana')
  await fleet.client.submit({ taskId: 'of-ana', text: 'hello', userId: 'ana' })
  await fleet.client.submit({ taskId: 'of-ben', text: 'hello', userId: 'ben' })
  await fleet.client.result('of-ben', { timeoutMs: 120_000 })
  for (const options of [phone, { ...phone, colorScheme: 'dark' as const }]) {
    await using tab = await openTab(browser, `${url}/tasks`, options)
    const { page } = tab
    await page.getByLabel('API key or token').waitFor()
    await assertAccessible(page, 'sign-in')
    await assertFits(page, 'sign-in')
    await screenshot(page, `sign-in-${'colorScheme' in options ? 'dark' : 'light'}`)
  }
  await using tab = await openTab(browser, `${url}/tasks`)
  const { page, problems } = tab
  await page.getByLabel('API key or token').fill('flk_wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('the key is incomplete').waitFor()
  await page.getByLabel('API key or token').fill(reader)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('.task-id', { hasText: 'of-ana' }).waitFor()
  assert.equal(await page.locator('.task-id', { hasText: 'of-ben' }).count(), 0)
  assert.equal(await page.getByRole('link', { name: 'New task' }).count(), 0)
  assert.equal(await page.getByRole('button', { name: 'Cancel many' }).count(), 0)
  const stored = await page.evaluate(
    'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])',
  )
  assert.ok(!String(stored).includes('flk_'), String(stored))
  await page.getByRole('link', { name: 'Chat' }).click()
  await page.getByText('Choose a conversation').waitFor()
  assert.equal(await page.getByRole('textbox', { name: 'Message' }).count(), 0)
  assert.equal(await page.getByRole('link', { name: 'New conversation' }).count(), 0)
  await page.goto(`${url}/new`)
  await page.getByLabel('API key or token').fill(reader)
  await page.getByText('Keep it until this tab is closed').click()
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('does not have the scope tasks:submit').waitFor()
  await page.reload()
  await page.getByText('does not have the scope tasks:submit').waitFor()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('API key or token').waitFor()
  assert.equal(await page.evaluate('sessionStorage.length'), 0)
  assert.deepEqual(problems, [])
})
