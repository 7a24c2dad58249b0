// The notice in place of a page that could not be drawn: the rest of the console goes on.
import type { ComponentChildren } from 'preact'
import { useErrorBoundary } from 'preact/hooks'
import { line } from '../text.ts'

export function Guarded({ children }: { readonly children: ComponentChildren }) {
  const [error, draw] = useErrorBoundary((cause: unknown) => reportError(cause))
  if (error === undefined) return <>{children}</>
  return (
    <div class="state" role="alert">
      <p class="state-title">This page could not be drawn</p>
      <p>
        Something that it shows has a form that the console does not know. The API has the data all the same.
      </p>
      <p>
        <code>{line(error instanceof Error ? error.message : String(error), 300)}</code>
      </p>
      <button onClick={draw}>Draw it again</button>
    </div>
  )
}
