// A part of a page that shows what it has asked for: loading, failed, out of date, or there.
import type { ComponentChildren } from 'preact'
import type { ApiError } from '../api/client.ts'
import type { Loaded } from '../load.ts'
import { line } from '../text.ts'
import { Badge } from './badge.tsx'
import { Failed, Loading } from './states.tsx'

interface PartProps<T> {
  readonly loaded: Loaded<T>
  readonly what: string
  readonly children: (value: T) => ComponentChildren
}

export function Part<T>({ loaded, what, children }: PartProps<T>) {
  const { value, error, isAsking, again } = loaded
  if (value === null)
    return error === null ? (
      <Loading what={what} />
    ) : (
      <Failed error={error} onAgain={again} isAsking={isAsking} />
    )
  return (
    <>
      {error !== null && <Stale error={error} onAgain={again} isAsking={isAsking} />}
      {children(value)}
    </>
  )
}

interface StaleProps {
  readonly error: ApiError
  readonly onAgain: () => void
  readonly isAsking: boolean
}

/** Stands above what the last question that worked has brought. */
export function Stale({ error, onAgain, isAsking }: StaleProps) {
  return (
    <p class="notice" role="alert">
      <Badge tone="bad">Not up to date</Badge> {line(error.message)}{' '}
      <button class="link" disabled={isAsking} onClick={onAgain}>
        {isAsking ? 'Trying again…' : 'Try again'}
      </button>
    </p>
  )
}
