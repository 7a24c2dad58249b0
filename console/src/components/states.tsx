// What a part of the page shows while it has nothing to show: loading, empty, failed.
import type { ComponentChildren } from 'preact'
import type { ApiError } from '../api/client.ts'
import { sentence, visible } from '../text.ts'

export function Loading({ what }: { readonly what: string }) {
  return (
    <div class="state" role="status">
      <div class="spinner" />
      <p>Loading {what}…</p>
    </div>
  )
}

export function Empty({
  title,
  children,
}: {
  readonly title: string
  readonly children?: ComponentChildren
}) {
  return (
    <div class="state">
      <p class="state-title">{title}</p>
      {children}
    </div>
  )
}

/** Message and remedy of the error table. */
export function Failed({
  error,
  onAgain,
  isAsking = false,
}: {
  readonly error: ApiError
  readonly onAgain?: (() => void) | undefined
  /** It is being tried again. */
  readonly isAsking?: boolean
}) {
  return (
    <div class="state" role="alert">
      <p class="state-title">{sentence(visible(error.message))}</p>
      <p>{visible(error.remedy)}</p>
      <p>
        <code>{visible(error.code)}</code>
      </p>
      {onAgain && (
        <button disabled={isAsking} onClick={onAgain}>
          {isAsking ? 'Trying again…' : 'Try again'}
        </button>
      )}
    </div>
  )
}
