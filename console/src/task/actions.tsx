// What a person can do to a task.
import { useState } from 'preact/hooks'
import { post } from '../api/client.ts'
import { useAction } from '../action.ts'
import { may } from '../api/session.ts'
import { Dialog } from '../components/dialog.tsx'
import { Area, Choice, Field } from '../components/fields.tsx'
import { useDraft } from '../drafts.ts'
import { toast } from '../toast.ts'
import { CompareDialog } from './compare.tsx'
import { ForkDialog } from './fork.tsx'
import { PromoteDialog } from './promote.tsx'
import type { Timeline } from './timeline.ts'

interface ActionsProps {
  readonly id: string
  readonly isOver: boolean
  /** The task that this one is a fork of. */
  readonly origin: string | null
  readonly timeline: Timeline
}

export function Actions({ id, isOver, origin, timeline }: ActionsProps) {
  const [dialog, setDialog] = useState<'cancel' | 'feedback' | 'fork' | 'compare' | 'promote' | null>(null)
  const close = (): void => setDialog(null)
  return (
    <div class="actions">
      {!isOver && may('tasks:cancel') && (
        <button class="danger" onClick={() => setDialog('cancel')}>
          Cancel
        </button>
      )}
      {isOver && may('tasks:cancel') && <button onClick={() => setDialog('feedback')}>Feedback</button>}
      {isOver && (
        <>
          <button onClick={() => setDialog('promote')}>Promote</button>
          <button onClick={() => setDialog('compare')}>Compare</button>
        </>
      )}
      {isOver && may('tasks:submit') && <button onClick={() => setDialog('fork')}>Fork</button>}
      {may('tasks:submit') && (
        <a class="button" href={`/new?from=${encodeURIComponent(id)}`}>
          Run again
        </a>
      )}
      {dialog === 'cancel' && <CancelDialog id={id} onClose={close} />}
      {dialog === 'fork' && <ForkDialog id={id} steps={timeline.steps.length} onClose={close} />}
      {dialog === 'compare' && <CompareDialog id={id} origin={origin} onClose={close} />}
      {dialog === 'promote' && <PromoteDialog id={id} onClose={close} />}
      {dialog === 'feedback' && <FeedbackDialog id={id} status={timeline.status} onClose={close} />}
    </div>
  )
}

function CancelDialog({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const { value: reason, set: setReason, clear } = useDraft(`Reason to cancel ${id}`, '')
  const { run: cancel, isBusy } = useAction(async () => {
    const body = reason.trim() === '' ? {} : { reason: reason.trim() }
    await post('/v1/tasks/:id/cancel', body, { params: { id } })
    toast('Cancel requested')
    clear()
    onClose()
  })
  const actions = (
    <>
      <button onClick={onClose}>Keep it</button>
      <button class="danger" disabled={isBusy} onClick={cancel}>
        Cancel the task
      </button>
    </>
  )
  return (
    <Dialog title="Cancel this task?" onClose={onClose} actions={actions}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          cancel()
        }}
      >
        <p>
          Calls under way are stopped where that is possible. The result says whether the cancel took effect.
        </p>
        <Field label="Reason" value={reason} onInput={setReason} hint="For the result; not required" />
      </form>
    </Dialog>
  )
}

const ratings = [
  { value: '1', label: '1 · perfect' },
  { value: '0.75', label: '0.75 · good' },
  { value: '0.5', label: '0.5 · so-so' },
  { value: '0.25', label: '0.25 · poor' },
  { value: '0', label: '0 · useless' },
]

function FeedbackDialog({
  id,
  status,
  onClose,
}: {
  readonly id: string
  readonly status: string | null
  readonly onClose: () => void
}) {
  const [satisfaction, setSatisfaction] = useState(status === 'succeeded' ? '1' : '0')
  const { value: comment, set: setComment, clear } = useDraft(`Feedback on ${id}`, '')
  const { run: send, isBusy } = useAction(async () => {
    const said = comment.trim() === '' ? {} : { comment: comment.trim() }
    await post('/v1/tasks/:id/feedback', { satisfaction: Number(satisfaction), ...said }, { params: { id } })
    toast('Feedback recorded')
    clear()
    onClose()
  })
  const actions = (
    <button class="primary" disabled={isBusy} onClick={send}>
      Send
    </button>
  )
  return (
    <Dialog title="How good is the result?" onClose={onClose} actions={actions}>
      <Choice label="Satisfaction" value={satisfaction} options={ratings} onChange={setSatisfaction} />
      <Area
        label="Comment"
        value={comment}
        onInput={setComment}
        hint="Not required. The latest feedback counts."
      />
    </Dialog>
  )
}
