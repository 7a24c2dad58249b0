// Saves an answer of the API, or a text, as a file. A link could not: it sends no key.
import { ask } from './api/client.ts'

/** Long enough for the browser to begin. */
const KEPT_MS = 60_000

/** Rejects with ApiError. */
export async function download(path: string, name: string): Promise<void> {
  const response = await ask(path)
  saveBlob(await response.blob(), name)
}

export const saveText = (text: string, name: string): void => saveBlob(new Blob([text]), name)

function saveBlob(blob: Blob, name: string): void {
  const href = URL.createObjectURL(blob)
  const anchor = document.createElement('a')
  anchor.href = href
  anchor.download = name
  anchor.click()
  setTimeout(() => URL.revokeObjectURL(href), KEPT_MS)
}
