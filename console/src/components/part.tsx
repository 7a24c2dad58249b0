// A part of a page that shows what it has asked for: loading, failed, out of date, or there.
import type { ComponentChildren } from 'preact'
import type { Loaded } from '../load.ts'
import { line } from '../text.ts'
import { Badge } from './badge.tsx'
import { Failed, Loading } from './states.tsx'

interface PartProps<T> {
  readonly loaded: Loaded<T>
  readonly what: string
  readonly children: (value: T) => ComponentChildren
}

export function Part<T>({ loaded: { value, error, again }, what, children }: PartProps<T>) {
  if (value === null)
    return error === null ? <Loading what={what} /> : <Failed error={error} onAgain={again} />
  return (
    <>
      {error !== null && (
        <p class="notice" role="alert">
          <Badge tone="bad">Not up to date</Badge> {line(error.message)}
        </p>
      )}
      {children(value)}
    </>
  )
}
