// Makes a case of an evaluation of an ended task: a line for a data set, to copy or to save.
import { useState } from 'preact/hooks'
import { get } from '../api/client.ts'
import { Dialog } from '../components/dialog.tsx'
import { Area } from '../components/fields.tsx'
import { LongText } from '../components/long-text.tsx'
import { Failed, Loading } from '../components/states.tsx'
import { saveText } from '../download.ts'
import { useDraft } from '../drafts.ts'
import { useLoaded } from '../load.ts'

interface PromoteProps {
  readonly id: string
  readonly onClose: () => void
}

export function PromoteDialog({ id, onClose }: PromoteProps) {
  const { value: text, set: setText } = useDraft(`Case of ${id}`, '')
  const [expected, setExpected] = useState<string | null>(null)
  const loaded = useLoaded(`${id} ${expected ?? ''}`, (signal) =>
    get('/v1/tasks/:id/case', { params: { id }, query: expected === null ? {} : { expected }, signal }),
  )
  const { value, error } = loaded
  const row = value === null ? '' : `${JSON.stringify(value)}\n`
  const use = (): void => setExpected(text.trim() === '' ? null : jsonOf(text.trim()))
  const actions = (
    <>
      <button onClick={use}>Use it</button>
      <button
        class="primary"
        disabled={value === null}
        onClick={() => saveText(row, `case-${id.replaceAll(/[^\w.-]/g, '_')}.jsonl`)}
      >
        Save the line
      </button>
    </>
  )
  return (
    <Dialog title="Promote to a case of an evaluation" onClose={onClose} actions={actions}>
      <p class="muted">
        Append the line to a data set (.jsonl). Recorded outcomes answer the tool calls of the case, so that
        nothing outside is touched. In a terminal: <code>flotilla eval promote</code>.
      </p>
      <Area
        label="What is right"
        value={text}
        onInput={setText}
        rows={3}
        hint="JSON or text; empty: the task’s own output"
      />
      {error !== null && <Failed error={error} onAgain={loaded.again} isAsking={loaded.isAsking} />}
      {error === null && value === null && <Loading what="the case" />}
      {value !== null && <LongText text={JSON.stringify(value, null, 2)} label="Case" />}
    </Dialog>
  )
}

/** A text that is no JSON stands for itself. */
function jsonOf(text: string): string {
  try {
    JSON.parse(text)
    return text
  } catch {
    return JSON.stringify(text)
  }
}
