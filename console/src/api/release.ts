// Whether the gateway's console is the one in this tab: a fleet may be upgraded while a tab is open.
import { signal } from '@preact/signals'
import { ask } from './client.ts'

const LOOK_MS = 600_000

/** The gateway has another console: what this one asks for may have another form by now. */
export const isOtherRelease = signal(false)

/** The names of the files change with their content. */
const own = (): string[] =>
  [...document.querySelectorAll<HTMLScriptElement>('head script[src]')].map(
    ({ src }) => new URL(src).pathname,
  )

export async function lookForRelease(): Promise<void> {
  const page = await (await ask('/')).text()
  isOtherRelease.value = !own().every((path) => page.includes(path))
}

/** A failure is left to the page in view, which meets it too. */
export const lookSafely = (): void => void lookForRelease().catch(() => {})

export function watchRelease(): void {
  setInterval(() => document.hidden || lookSafely(), LOOK_MS)
}
