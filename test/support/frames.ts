// Frames that Chromium drew while a page was scrolled, by its own tracing: what a viewer sees, not what scripts believe.
import type { Browser, Page } from 'playwright-core'

export interface Frames {
  /** Frames that the compositor presented in each second of the scrolling. */
  readonly perSecond: number
  /** Of the frames that were due, those that were not drawn in time. */
  readonly droppedShare: number
  /** The longest time between two frames that were drawn. */
  readonly longestMs: number
  readonly drawn: number
}

interface TraceEvent {
  readonly name: string
  readonly ph: string
  /** Microseconds. */
  readonly ts: number
  readonly pid: number
  readonly args?: {
    readonly chrome_frame_reporter?: { readonly state?: string }
    readonly data?: { readonly message?: string }
  }
}

const categories = [
  'cc',
  'benchmark',
  'disabled-by-default-devtools.timeline.frame',
  'devtools.timeline',
  'blink.user_timing',
  'blink.console',
]
const SPEED_PX_PER_S = 4_000

/** Scrolls this by so many pixels, as a hand on a touchpad does, and counts frames meanwhile. */
export async function framesWhileScrolling(
  browser: Browser,
  page: Page,
  scroller: string,
  distancePx: number,
): Promise<Frames> {
  const debug = await page.context().newCDPSession(page)
  const box = await page.locator(scroller).first().boundingBox()
  if (box === null) throw new Error(`${scroller} is not to be seen`)
  await browser.startTracing(page, { categories })
  await page.evaluate("performance.mark('scroll begins')")
  await debug.send('Input.synthesizeScrollGesture', {
    x: Math.round(box.x + box.width / 2),
    y: Math.round(box.y + box.height / 2),
    yDistance: -distancePx,
    speed: SPEED_PX_PER_S,
    gestureSourceType: 'mouse',
  })
  await page.evaluate("performance.mark('scroll ends')")
  const trace = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] }
  await debug.detach()
  return framesIn(trace.traceEvents)
}

function framesIn(events: readonly TraceEvent[]): Frames {
  const begin = events.find(({ name }) => name === 'scroll begins')
  const end = events.find(({ name }) => name === 'scroll ends')
  if (begin === undefined || end === undefined) throw new Error('the trace does not have the scrolling')
  const during = events.filter(({ ts, pid }) => pid === begin.pid && ts > begin.ts && ts < end.ts)
  const drawn = during
    .filter(({ name }) => name === 'DrawFrame')
    .map(({ ts }) => ts)
    .toSorted((a, b) => a - b)
  const dropped = during.filter(({ name }) => name === 'DroppedFrame').length
  const gaps = drawn.slice(1).map((ts, index) => (ts - (drawn[index] ?? ts)) / 1_000)
  const seconds = ((drawn.at(-1) ?? 0) - (drawn[0] ?? 0)) / 1e6
  return {
    perSecond: seconds > 0 ? (drawn.length - 1) / seconds : 0,
    droppedShare: drawn.length + dropped === 0 ? 1 : dropped / (drawn.length + dropped),
    longestMs: Math.max(0, ...gaps),
    drawn: drawn.length,
  }
}
