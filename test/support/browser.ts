// Chromium as users have it, and what each page of the console must hold: no violation that axe finds, nothing that
// the content policy refused, no error in the page.
import assert from 'node:assert/strict'
import { readFileSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from 'playwright-core'
import { LIMIT_MS } from '../conformance/waiting.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Screenshots are an artefact of a run, not of the repository. */
const shots = join(import.meta.dirname, '../../.cache/console-screenshots')

export const phone: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  hasTouch: true,
  isMobile: true,
}
export const desktop: BrowserContextOptions = { viewport: { width: 1360, height: 860 } }
/** Those in which each page is looked at, by name. */
export const looks = {
  light: desktop,
  dark: { ...desktop, colorScheme: 'dark' },
  phone,
} as const satisfies Readonly<Record<string, BrowserContextOptions>>

export function openBrowser(): Promise<Browser> {
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'], timeout: LIMIT_MS })
}

export interface Tab extends AsyncDisposable {
  readonly page: Page
  /** Errors of the page and refusals of its content policy. */
  readonly problems: readonly string[]
}

/** A tab of its own profile. Errors that the page is meant to see, such as a lost connection, are not counted. */
export async function openTab(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = desktop,
): Promise<Tab> {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(LIMIT_MS)
  const page = await context.newPage()
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(String(error.stack ?? error)))
  page.on('console', (message) => {
    const isNetwork = message.text().startsWith('Failed to load resource')
    if (message.type() === 'error' && !isNetwork) problems.push(message.text())
  })
  await page.goto(url)
  return { page, problems, [Symbol.asyncDispose]: () => context.close() }
}

/** Fails with what axe found, by the rules of WCAG 2.2 A and AA and its best practices. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  // By the debugger: the page's content policy lets no script in.
  const found = await page.evaluate(`${axe}; axe.run().then(({ violations }) => violations.map(
    ({ id, nodes }) => id + ': ' + nodes.slice(0, 3).map(({ html, failureSummary }) => html + ' ' + failureSummary).join(' | ')))`)
  assert.deepEqual(found, [], what)
}

export async function screenshot(page: Page, name: string): Promise<void> {
  mkdirSync(shots, { recursive: true })
  await page.screenshot({ path: join(shots, `${name}.png`) })
}

/** The page is no wider than its screen. */
export async function assertFits(page: Page, what: string): Promise<void> {
  const over = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
  assert.ok(Number(over) <= 0, `${what} is ${String(over)} px wider than the screen`)
  // Nor does a table scroll sideways where there is no room for one: its rows are cards.
  const wide = await page.evaluate(`innerWidth > 700 ? [] : [...document.querySelectorAll('.sheet')].flatMap(
    (sheet) => (sheet.scrollWidth > sheet.clientWidth ? [sheet.getAttribute('aria-label')] : []))`)
  assert.deepEqual(wide, [], `${what} has tables that scroll sideways`)
}

/** Widths of screens, from a phone on its side to a desk. */
const WIDTHS = [710, 800, 860, 900, 960, 1024, 1080, 1130, 1190, 1280, 1440]

/** At none of these widths is the last column of a list's row cut off. Leaves the page at the widest. */
export async function assertColumnsFit(page: Page, what: string): Promise<void> {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 })
    const over = await page.evaluate(`[...document.querySelectorAll('.table-row')].map((row) => {
      const cells = [...row.children].filter((cell) => cell.offsetWidth > 0)
      return Math.max(...cells.map((cell) => cell.getBoundingClientRect().right)) - row.getBoundingClientRect().right
    })`)
    const most = Math.max(...(over as number[]))
    assert.ok(most <= 0, `${what}: at ${width} px the last column is ${most} px outside`)
  }
}

const MOST_TABS = 120

/** Presses Tab until this has the focus, as somebody does who has no mouse. */
export async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let pressed = 0; pressed < MOST_TABS; pressed++) {
    await page.keyboard.press('Tab')
    if (await target.evaluate((element) => element === element.ownerDocument.activeElement)) return
  }
  throw new Error(`${String(target)} is not within reach of the keyboard`)
}

const FRAMES = 120

/**
 * Scrolls by so many pixels each frame, and gives the main thread's work for one in milliseconds: what is left of 16 ms
 * is the browser's to paint. A frame's whole time would say more of the machine's other work than of the page.
 */
export async function busyPerFrame(page: Page, scroller: string, byPx: number): Promise<number> {
  const debug = await page.context().newCDPSession(page)
  await debug.send('Performance.enable', { timeDomain: 'threadTicks' })
  const busyS = async (): Promise<number> => {
    const { metrics } = await debug.send('Performance.getMetrics')
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0
  }
  const before = await busyS()
  await page.evaluate(`new Promise((resolve) => {
    const scroller = document.querySelector(${JSON.stringify(scroller)})
    let frames = 0
    const next = () => {
      scroller.scrollBy(0, ${byPx})
      if (++frames < ${FRAMES}) requestAnimationFrame(next)
      else resolve()
    }
    requestAnimationFrame(next)
  })`)
  const spent = (await busyS()) - before
  await debug.detach()
  return (spent * 1_000) / FRAMES
}
