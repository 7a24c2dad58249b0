// Cancels the open tasks of the list: first which ones, then all of them.
import { useState } from 'preact/hooks'
import { asApiError, post, type ApiError } from '../api/client.ts'
import { fleetMs } from '../clock.ts'
import { Dialog } from '../components/dialog.tsx'
import { Field } from '../components/fields.tsx'
import { Failed, Loading } from '../components/states.tsx'
import { count } from '../format.ts'
import { useDraft } from '../drafts.ts'
import { useLoaded } from '../load.ts'
import { line } from '../text.ts'
import { toast } from '../toast.ts'
import { queryOf, type Filters } from './views.ts'

const MOST = 1_000
const SHOWN = 200

/** The filters as the body takes them. */
function bodyOf({ waiting, doubt, minCost, minMs, since, to, error: _, status, ...same }: Filters) {
  return {
    ...same,
    status: (status ?? 'open') as 'open',
    ...(waiting === 'true' ? { waiting: true } : {}),
    ...(doubt === 'true' ? { inDoubt: true } : {}),
    ...(minCost === undefined ? {} : { minCost: Number(minCost) }),
    ...(minMs === undefined ? {} : { minMs: Number(minMs) }),
    ...(since === undefined ? {} : { sinceMs: timeOf(since) }),
    ...(to === undefined ? {} : { toMs: timeOf(to) }),
  }
}

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A day, a time, epoch milliseconds or how long ago, as epoch milliseconds. */
function timeOf(text: string): number {
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? []
  if (amount !== undefined && unit !== undefined) return fleetMs() - Number(amount) * (units[unit] ?? 0)
  return /^\d{13}$/.test(text) ? Number(text) : Date.parse(text)
}

export function BulkCancel({
  filters,
  onClose,
}: {
  readonly filters: Filters
  readonly onClose: () => void
}) {
  const { value: reason, set: setReason, clear } = useDraft('Reason to cancel many tasks', '')
  const [error, setError] = useState<ApiError | null>(null)
  const [isBusy, setBusy] = useState(false)
  const preview = useLoaded(queryOf(filters), () =>
    post('/v1/tasks/cancel', { ...bodyOf(filters), limit: MOST, dryRun: true }),
  )
  const matched = preview.value?.matched ?? []
  const cancel = async (): Promise<void> => {
    setBusy(true)
    try {
      const body = {
        ...bodyOf(filters),
        limit: MOST,
        ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
      }
      const done = await post('/v1/tasks/cancel', body)
      toast(`Cancelling ${count(done.matched.length)} tasks`)
      clear()
      onClose()
    } catch (cause) {
      setError(asApiError(cause))
      setBusy(false)
    }
  }
  const actions = (
    <>
      <button onClick={onClose}>Keep them</button>
      <button class="danger" disabled={matched.length === 0 || isBusy} onClick={() => void cancel()}>
        Cancel {count(matched.length)} tasks
      </button>
    </>
  )
  const refusal = error ?? preview.error
  const again = (): void => {
    setError(null)
    preview.again()
  }
  return (
    <Dialog title="Cancel tasks" onClose={onClose} actions={actions}>
      {refusal !== null && <Failed error={refusal} onAgain={again} isAsking={preview.isAsking} />}
      {preview.value === null && preview.error === null && <Loading what="the tasks that match" />}
      {preview.value !== null && (
        <>
          <p>
            {matched.length === 0
              ? 'No open task matches.'
              : `${count(matched.length)} open tasks match${preview.value.more ? `, and more: repeat it for the rest` : ''}. A task that ends meanwhile keeps its result.`}
          </p>
          {matched.length > 0 && (
            <ol class="preview" tabIndex={0} aria-label="Tasks that match">
              {matched.slice(0, SHOWN).map((id) => (
                <li key={id}>
                  <bdi>{line(id, 130)}</bdi>
                </li>
              ))}
              {matched.length > SHOWN && <li class="muted">and {count(matched.length - SHOWN)} more</li>}
            </ol>
          )}
          <Field label="Reason" value={reason} onInput={setReason} hint="For the results; not required" />
        </>
      )}
    </Dialog>
  )
}
