import { setTimeout as pause } from 'node:timers/promises'

/** Waits until the condition gives a value other than false, null or undefined, and returns it. Fails after `limitMs`, saying what was missing. */
export async function eventually<T>(
  what: string,
  condition: () => T | Promise<T>,
  limitMs = 30_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const value = await condition()
    if (value !== false && value !== null && value !== undefined)
      return value as NonNullable<Exclude<T, false>>
    if (Date.now() > deadline) throw new Error(`within ${limitMs} ms it did not come true that ${what}`)
    await pause(5)
  }
}
