// Short messages at the edge of the page, which a screen reader reads out.
import { signal } from '@preact/signals'
import { asApiError } from './api/client.ts'

export interface Toast {
  readonly id: number
  readonly text: string
  readonly isError: boolean
}

const SHOWN_MS = 5_000
/** What failed has to be read. */
const ERROR_SHOWN_MS = 12_000
let next = 1
export const toasts = signal<readonly Toast[]>([])

export function toast(text: string, { isError = false } = {}): void {
  const id = next++
  toasts.value = [...toasts.value, { id, text, isError }]
  setTimeout(
    () => (toasts.value = toasts.value.filter((each) => each.id !== id)),
    isError ? ERROR_SHOWN_MS : SHOWN_MS,
  )
}

export const toastError = (error: unknown): void => {
  const { message, remedy } = asApiError(error)
  toast(`${message} ${remedy}`.trim(), { isError: true })
}
