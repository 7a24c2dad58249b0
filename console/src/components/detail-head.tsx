// The head of a page about one thing: the way back to all of its kind, its name, how it is, and what can be done with it.
import type { ComponentChildren } from 'preact'
import { line } from '../text.ts'
import { Copy } from './copy.tsx'

interface DetailHeadProps {
  readonly back: { readonly href: string; readonly label: string }
  /** As somebody else gave it, of any length. */
  readonly name: string
  /** What the name is, for the button that copies it. */
  readonly what: string
  /** Absent: the thing is not known. */
  readonly state?: ComponentChildren
  /** Buttons. */
  readonly children?: ComponentChildren
}

export function DetailHead({ back, name, what, state, children }: DetailHeadProps) {
  return (
    <header class="page-head detail-head">
      <div class="detail-name">
        <a class="back" href={back.href} aria-label={back.label}>
          ←
        </a>
        <h1>
          <bdi>{line(name, 130)}</bdi>
        </h1>
        {state !== undefined && (
          <>
            <Copy text={name} what={what} />
            {state}
          </>
        )}
      </div>
      {children}
    </header>
  )
}
