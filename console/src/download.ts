// Saves an answer of the API as a file. A link could not: it sends no key.
import { ask } from './api/client.ts'

/** Long enough for the browser to begin. */
const KEPT_MS = 60_000

/** Rejects with ApiError. */
export async function download(path: string, name: string): Promise<void> {
  const response = await ask(path)
  const href = URL.createObjectURL(await response.blob())
  const anchor = document.createElement('a')
  anchor.href = href
  anchor.download = name
  anchor.click()
  setTimeout(() => URL.revokeObjectURL(href), KEPT_MS)
}
