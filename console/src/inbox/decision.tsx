// One call that waits: what it would do, and the decision about it.
import { useEffect, useRef, useState } from 'preact/hooks'
import { asApiError, post, type ApiError } from '../api/client.ts'
import { isOpen, me } from '../api/session.ts'
import { Field } from '../components/fields.tsx'
import { LongText } from '../components/long-text.tsx'
import { Failed } from '../components/states.tsx'
import { ago, exactTime } from '../format.ts'
import { now } from '../clock.ts'
import { onKeys } from '../keys.ts'
import { line, shown } from '../text.ts'
import { toast } from '../toast.ts'
import type { WaitingCall } from './calls.ts'

interface DecisionProps {
  readonly taskId: string
  readonly call: WaitingCall
  /** The keys a and r are about this one. */
  readonly isFirst: boolean
  readonly onDecided: (callId: string) => void
}

/** Kept in the tab: with an open API nobody else says who decides. */
const NAME = 'flotilla.decider'

export function Decision({ taskId, call, isFirst, onDecided }: DecisionProps) {
  const { callId, tool, step, sinceMs } = call
  const [reason, setReason] = useState('')
  const [name, setName] = useState(sessionStorage.getItem(NAME) ?? '')
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<ApiError | null>(null)
  const decide = async (approved: boolean): Promise<void> => {
    if (isBusy) return
    setBusy(true)
    sessionStorage.setItem(NAME, name.trim())
    const body = {
      approved,
      ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
      ...(isOpen.value && name.trim() !== '' ? { decidedBy: name.trim() } : {}),
    }
    try {
      await post('/v1/tasks/:id/approvals/:callId', body, { params: { id: taskId, callId } })
      toast(`${approved ? 'Approved' : 'Declined'}: ${line(tool, 60)}`)
      onDecided(callId)
    } catch (cause) {
      setError(asApiError(cause))
      setBusy(false)
    }
  }
  useDecisionKeys(isFirst, decide)
  return (
    <section class="decision" aria-label={`Call of ${line(tool, 60)}`}>
      <header>
        <h2>
          <code>
            <bdi>{line(tool, 80)}</bdi>
          </code>
        </h2>
        <p class="muted">
          {step !== null && <>step {step} · </>}
          <time title={exactTime(sinceMs)}>asked {ago(sinceMs, now.value)}</time>
        </p>
      </header>
      <h3>Arguments</h3>
      <LongText text={shown(call.arguments ?? {})} label={`Arguments of ${line(tool, 60)}`} />
      {error !== null && <Failed error={error} />}
      <div class="decision-fields">
        <Field label="Reason" value={reason} onInput={setReason} hint="The model is told it" />
        {isOpen.value ? (
          <Field label="Decided by" value={name} onInput={setName} hint="Your name, for the record" />
        ) : (
          <p class="decider muted">
            Decided as <bdi>{line(me.value?.userId ?? me.value?.name ?? '', 60)}</bdi>
          </p>
        )}
      </div>
      <div class="form-actions">
        <button class="primary" disabled={isBusy} onClick={() => void decide(true)}>
          Approve {isFirst && <kbd aria-hidden="true">a</kbd>}
        </button>
        <button class="danger" disabled={isBusy} onClick={() => void decide(false)}>
          Decline {isFirst && <kbd aria-hidden="true">d</kbd>}
        </button>
      </div>
    </section>
  )
}

function useDecisionKeys(isFirst: boolean, decide: (approved: boolean) => Promise<void>): void {
  const latest = useRef(decide)
  latest.current = decide
  useEffect(() => {
    if (!isFirst) return
    return onKeys({ a: () => void latest.current(true), d: () => void latest.current(false) })
  }, [isFirst])
}
