// Signing in to the console at an OpenID provider, in Chromium by playwright.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { freePort } from '../infra/port.ts'
import { assertAccessible, openBrowser, openTab, screenshot } from '../support/browser.ts'
import { startConsoleFleet } from '../support/console-fleet.ts'
import type { TestFleet } from '../support/fleet.ts'
import { startOpenIdProvider, type OpenIdProvider } from '../support/openid-provider.ts'

let fleet: TestFleet
let browser: Browser
let url: string
let provider: OpenIdProvider
before(async () => {
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  provider = await startOpenIdProvider('console', `${url}/signed-in`)
  const jwt = {
    issuer: provider.issuer,
    audience: 'console',
    everyToken: ['operator'],
    signIn: { clientId: 'console' },
  }
  ;[fleet, browser] = await Promise.all([
    startConsoleFleet({ env: { PORT: String(port) }, definition: { gateway: { jwt } } }),
    openBrowser(),
  ])
})
after(async () => {
  await browser?.close()
  await fleet?.stop()
  provider?.[Symbol.dispose]()
})

async function atProvider(page: Page, user: string): Promise<void> {
  await page.locator('input[name=login]').fill(user)
  await page.locator('input[name=password]').fill('any')
  await page.locator('button[type=submit]').click()
  await page.getByRole('button', { name: 'Continue' }).click()
}

test('a person signs in at the provider, and is back at the page that was asked for', async () => {
  await using tab = await openTab(browser, `${url}/fleet/lanes`)
  const { page, problems } = tab
  const button = page.getByRole('button', { name: /^Sign in at 127\.0\.0\.1/ })
  await button.waitFor()
  await assertAccessible(page, 'sign in')
  await screenshot(page, 'sign-in')
  await button.click()
  await atProvider(page, 'ann')
  await page.waitForURL(`${url}/fleet/lanes`)
  await page.getByText('ann').first().waitFor()
  const kept = await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])')
  assert.doesNotMatch(String(kept), /eyJ|sign-in/, 'neither token nor verifier stays')
  assert.deepEqual(problems, [])
})

test('an answer that this tab did not ask for, or that the provider refuses, signs nobody in', async () => {
  await using tab = await openTab(browser, `${url}/signed-in?code=stolen&state=x`)
  await tab.page.getByText('This tab did not begin to sign in').waitFor()

  const ask = async (query: string, state: string) => {
    const response = await fetch(`${url}/v1/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, state, verifier: 'v'.repeat(43), redirectUri: `${url}/signed-in` }),
    })
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    return `${response.status} ${error.code}: ${error.message}`
  }
  assert.match(await ask('code=stolen&state=a', 'b'), /^401 UNAUTHENTICATED/)
  assert.match(await ask('code=stolen&state=a', 'a'), /^401 UNAUTHENTICATED: .*(grant|invalid|iss)/)
  assert.match(await ask('error=access_denied&state=a', 'a'), /^401 UNAUTHENTICATED/)
})
