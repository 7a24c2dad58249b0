// The documentation site, built and read in Chromium: on a desktop and a phone, without a request to another host.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { buildSite } from '../../docs/site/build.ts'
import { assertFits, openBrowser, openTab, phone, screenshot } from '../support/browser.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-site-'))
let server: Server
let browser: Browser
let url = ''

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.txt': 'text/plain',
  '.png': 'image/png',
}

before(async () => {
  await buildSite(directory)
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://site')
    const asked = join(directory, decodeURIComponent(pathname))
    const file = [asked, `${asked}.html`, join(asked, 'index.html')].find(
      (path) => extname(path) && existsSync(path),
    )
    if (file === undefined) return response.writeHead(404).end()
    response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream')
    response.end(readFileSync(file))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  browser = await openBrowser()
})
after(async () => {
  await browser?.close()
  server?.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Every address that the page asks for, apart from the site's own. */
function foreignRequests(page: Page): string[] {
  const foreign: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) foreign.push(request.url())
  })
  return foreign
}

test('every link leads to a page, and its anchor to a heading', () => {
  const ids = new Map<string, Set<string>>()
  const idsOf = (file: string): Set<string> => {
    const known =
      ids.get(file) ??
      new Set(Array.from(readFileSync(file, 'utf8').matchAll(/ id="([^"]+)"/g), ([, id = '']) => id))
    ids.set(file, known)
    return known
  }
  const pages = globSync('**/*.html', { cwd: directory })
  assert.ok(pages.length > 80, `${pages.length} pages`)
  const dead = pages.flatMap((page) => {
    const links = readFileSync(join(directory, page), 'utf8').matchAll(/<a[^>]* href="(\/[^"]*|#[^"]*)"/g)
    return [...links].flatMap(([, link = '']) => {
      const [path = '', anchor = ''] = decodeURIComponent(link.replaceAll('&amp;', '&')).split('#')
      const target = path === '' ? join(directory, page) : join(directory, path)
      const file = [target, `${target}.html`, join(target, 'index.html')].find(
        (each) => extname(each) && existsSync(each),
      )
      if (file === undefined) return [`${page}: ${link}`]
      return anchor === '' || idsOf(file).has(anchor) ? [] : [`${page}: ${link}`]
    })
  })
  assert.deepEqual([...new Set(dead)], [])
})

test('the site on a desktop: home, a page with its tables, the search', async () => {
  await using tab = await openTab(browser, url)
  const foreign = foreignRequests(tab.page)
  await tab.page.getByRole('link', { name: 'Quick start' }).first().waitFor()
  await screenshot(tab.page, 'site-home')
  await tab.page.goto(`${url}/guarantees.html`)
  await tab.page.getByRole('heading', { level: 1 }).waitFor()
  await screenshot(tab.page, 'site-guarantees')
  await tab.page.getByRole('button', { name: 'Search' }).click()
  await tab.page.getByRole('searchbox').fill('TOOL_OUTPUT_TOO_LARGE')
  await tab.page.locator('.VPLocalSearchBox .result').first().waitFor()
  await screenshot(tab.page, 'site-search')
  await tab.page.locator('.VPLocalSearchBox .result').first().click()
  await tab.page.waitForURL(/errors|configuration/)
  await tab.page.goto(`${url}/http/tasks.html`)
  await tab.page.getByRole('heading', { name: 'POST /v1/tasks', exact: false }).first().waitFor()
  await screenshot(tab.page, 'site-http')
  assert.deepEqual([foreign, tab.problems], [[], []])
})

test('on a phone no page is wider than the screen', async () => {
  await using tab = await openTab(browser, url, phone)
  const foreign = foreignRequests(tab.page)
  for (const path of [
    '/',
    '/configuration.html',
    '/cli.html',
    '/http/schemas.html',
    '/start.html',
    '/events.html',
  ]) {
    await tab.page.goto(url + path)
    await tab.page.getByRole('heading', { level: 1 }).first().waitFor()
    await assertFits(tab.page, path)
  }
  await screenshot(tab.page, 'site-phone')
  assert.deepEqual([foreign, tab.problems], [[], []])
})
