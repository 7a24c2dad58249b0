// Asks for the task to compare with: the origin of a fork, a fork of this task, or any other id.
import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog.tsx'
import { Field } from '../components/fields.tsx'
import { navigate } from '../router.ts'
import type { Timeline } from './timeline.ts'

interface CompareProps {
  readonly id: string
  readonly origin: string | null
  readonly onClose: () => void
}

export function CompareDialog({ id, origin, onClose }: CompareProps) {
  const [other, setOther] = useState(origin ?? '')
  const isReady = other.trim() !== '' && other.trim() !== id
  const open = (): void => {
    if (!isReady) return
    onClose()
    navigate(compareAddress(other.trim(), id))
  }
  const actions = (
    <button class="primary" disabled={!isReady} onClick={open}>
      Compare
    </button>
  )
  return (
    <Dialog title="Compare with another task" onClose={onClose} actions={actions}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          open()
        }}
      >
        <Field
          label="Task id"
          value={other}
          onInput={setOther}
          hint={origin === null ? 'Both must have ended' : 'The task that this one is a fork of'}
        />
      </form>
    </Dialog>
  )
}

export const compareAddress = (before: string, after: string): string =>
  `/compare/${encodeURIComponent(before)}/${encodeURIComponent(after)}`

/** The task that this one is a fork of, and the first step that ran again. Null: it is none, or has not ended. */
export function originOf({ result }: Timeline): { readonly taskId: string; readonly step: number } | null {
  const { forkedFrom, forkedFromStep } = (result ?? {}) as Record<string, unknown>
  if (typeof forkedFrom !== 'string') return null
  return { taskId: forkedFrom, step: typeof forkedFromStep === 'number' ? forkedFromStep : 1 }
}
