import { setTimeout as pause } from 'node:timers/promises'

/** Longer by far than anything takes on a busy machine: only a test that fails waits for it. */
export const LIMIT_MS = 120_000

/** Waits until the condition gives a value other than false, null or undefined, and returns it. Fails after `limitMs` (default 120 s), saying what was missing. */
export async function eventually<T>(
  what: string,
  condition: () => T | Promise<T>,
  limitMs = LIMIT_MS,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const value = await condition()
    if (value !== false && value !== null && value !== undefined)
      return value as NonNullable<Exclude<T, false>>
    if (Date.now() > deadline) throw new Error(`${notWithin(limitMs)}${what}`)
    await pause(5)
  }
}

/** Whether it does; never rejects. */
export const succeeds = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  )

const notWithin = (limitMs: number): string => `within ${limitMs} ms it did not come true that `

/** Whether a wait ended without what it waited for: one of `eventually`, or of a page by Playwright. */
export function isLate(error: unknown): boolean {
  const message = (error as Error | undefined)?.message ?? String(error)
  return /within \d+ ms it did not come true that |Timeout \d+ms exceeded/.test(message)
}
