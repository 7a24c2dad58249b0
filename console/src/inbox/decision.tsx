// One call that waits: what it would do, and the decision about it.
import { useEffect, useRef, useState } from 'preact/hooks'
import { asApiError, post, type ApiError } from '../api/client.ts'
import { isOpen, me } from '../api/session.ts'
import { useDraft } from '../drafts.ts'
import { Area, Field } from '../components/fields.tsx'
import { LongText } from '../components/long-text.tsx'
import { Failed } from '../components/states.tsx'
import { ago, exactTime, isoTime } from '../format.ts'
import { now } from '../clock.ts'
import { onKeys } from '../keys.ts'
import { line, shown } from '../text.ts'
import { toast } from '../toast.ts'
import type { WaitingCall } from './calls.ts'
import { bodyOf, choicesOf, type Draft } from './draft.ts'
import { outcomeOf, type Outcome } from './outcome.ts'

interface DecisionProps {
  readonly taskId: string
  readonly call: WaitingCall
  /** The keys a and d are about this one. */
  readonly isFirst: boolean
  readonly onDecided: (call: WaitingCall) => void
}

/** Kept in the tab: with an open API nobody else says who decides. */
const NAME = 'flotilla.decider'

const titles = {
  approval: 'waits for approval',
  question: 'asks a person',
  doubt: 'is in doubt: did it take effect?',
} as const

/** A call may wait several times: what was typed about one wait is not about the next. */
const draftName = ({ tool, callId, heldAtMs }: WaitingCall): string =>
  `Decision about ${tool}, call ${callId}${heldAtMs === null ? '' : `, waiting since ${isoTime(heldAtMs)}`}`

export function Decision({ taskId, call, isFirst, onDecided }: DecisionProps) {
  const { callId, tool, why } = call
  const kept = useDraft<Draft>(draftName(call), {
    reason: '',
    name: sessionStorage.getItem(NAME) ?? '',
    // Who agrees agrees to what was agreed on before.
    edited: call.agreed.at(-1)?.arguments ? shown(call.agreed.at(-1)?.arguments) : null,
    answer: '',
  })
  const draft = kept.value
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<ApiError | null>(null)
  const [mistake, setMistake] = useState<string | null>(null)
  const isHere = useRef(true)
  useEffect(() => () => void (isHere.current = false), [])
  const change = (part: Partial<Draft>): void => kept.set({ ...draft, ...part })
  const finish = (outcome: Outcome, approved: boolean): void => {
    if (outcome.is === 'refused') setMistake(`Not counted: ${outcome.problem}`)
    if (outcome.is === 'refused' || (outcome.is === 'counted' && !outcome.isFinal)) return setBusy(false)
    const name = line(tool, 60)
    const word = approved ? (why === 'question' ? 'Answered' : 'Approved') : 'Declined'
    if (outcome.is === 'late') toast(`Too late for ${name}: ${outcome.text}`, { isError: true })
    else if (outcome.is === 'open') toast(`Sent: ${name}. Its stage has not read the decision yet`)
    else toast(`${word}: ${name}`)
    kept.clear()
    // A viewer who has gone on meanwhile is not called back.
    if (isHere.current) onDecided(call)
  }
  const decide = async (approved: boolean, tookEffect?: boolean): Promise<void> => {
    if (isBusy) return
    const body = bodyOf(call, draft, { approved, tookEffect, isOpen: isOpen.value })
    if ('mistake' in body) return setMistake(body.mistake)
    setMistake(null)
    setError(null)
    setBusy(true)
    sessionStorage.setItem(NAME, draft.name.trim())
    const by = (isOpen.value ? body.body.decidedBy : me.value?.userId) ?? null
    try {
      await post('/v1/tasks/:id/approvals/:callId', body.body, { params: { id: taskId, callId } }).catch(
        unlessOver,
      )
      finish(await outcomeOf(taskId, { callId, body: body.body, by }), approved)
    } catch (cause) {
      setError(asApiError(cause))
      setBusy(false)
    }
  }
  useDecisionKeys(isFirst && why === 'approval', decide)
  return (
    <section class="decision" aria-label={`Call of ${line(tool, 60)}`}>
      <Head call={call} />
      <Asked call={call} draft={draft} onChange={change} />
      {(mistake ?? call.problem) !== null && <p class="notice">{line(mistake ?? call.problem ?? '')}</p>}
      {error !== null && <Failed error={error} />}
      <div class="decision-fields">
        <Field
          label="Reason"
          value={draft.reason}
          onInput={(reason) => change({ reason })}
          hint="Passed on to the model"
        />
        {isOpen.value ? (
          <Field
            label="Decided by"
            value={draft.name}
            onInput={(name) => change({ name })}
            hint="Your name, for the record"
          />
        ) : (
          <p class="decider muted">
            Decided as <bdi>{line(me.value?.userId ?? me.value?.name ?? '', 60)}</bdi>
          </p>
        )}
      </div>
      <Actions call={call} isFirst={isFirst} isBusy={isBusy} decide={decide} />
    </section>
  )
}

/** Somebody else was first: what became of the call is told as if this decision had come too late to the stage. */
function unlessOver(cause: unknown): void {
  if (asApiError(cause).code !== 'CALL_NOT_WAITING') throw cause
}

function Head({
  call: { tool, why, step, sinceMs, expiresAtMs, needed, missing, agreed },
}: {
  readonly call: WaitingCall
}) {
  return (
    <header>
      <h2>
        <code>
          <bdi>{line(tool, 80)}</bdi>
        </code>{' '}
        {titles[why]}
      </h2>
      <p class="muted">
        {step !== null && <>step {step} · </>}
        <time title={exactTime(sinceMs)}>asked {ago(sinceMs, now.value)}</time>
        {expiresAtMs !== null && (
          <>
            {' '}
            · until <time>{exactTime(expiresAtMs)}</time>
          </>
        )}
        {needed > 1 && (
          <>
            {' '}
            · {needed - missing} of {needed} agree
            {agreed.length > 0 && `: ${agreed.map(({ by }) => line(by, 40)).join(', ')}`}
          </>
        )}
      </p>
    </header>
  )
}

interface AskedProps {
  readonly call: WaitingCall
  readonly draft: Draft
  readonly onChange: (part: Partial<Draft>) => void
}

function Asked({ call, draft, onChange }: AskedProps) {
  const { tool, why } = call
  const name = line(tool, 60)
  const text = shown(call.arguments ?? {})
  const choices = choicesOf(call)
  return (
    <>
      <h3>{why === 'question' ? 'Question' : 'Arguments'}</h3>
      <LongText text={text} label={`Arguments of ${name}`} />
      {why === 'approval' && draft.edited === null && (
        <button class="quiet" onClick={() => onChange({ edited: text })}>
          Edit arguments
        </button>
      )}
      {why === 'approval' && draft.edited !== null && (
        <Area
          label="Run it with these arguments"
          value={draft.edited}
          onInput={(edited) => onChange({ edited })}
          hint="JSON; both versions are kept"
          rows={8}
          isCode
        />
      )}
      {why !== 'approval' && (
        <Field
          label={why === 'question' ? 'Answer' : 'Its result, if it took effect'}
          value={draft.answer}
          onInput={(answer) => onChange({ answer })}
          options={choices}
          hint={choices ? `One of ${choices.map((each) => line(each, 40)).join(', ')}` : 'Text, or JSON'}
        />
      )}
    </>
  )
}

interface ActionsProps {
  readonly call: WaitingCall
  readonly isFirst: boolean
  readonly isBusy: boolean
  readonly decide: (approved: boolean, tookEffect?: boolean) => Promise<void>
}

function Actions({ call: { why }, isFirst, isBusy, decide }: ActionsProps) {
  if (why === 'doubt')
    return (
      <div class="form-actions">
        <button class="primary" disabled={isBusy} onClick={() => void decide(true, true)}>
          It took effect
        </button>
        <button disabled={isBusy} onClick={() => void decide(true, false)}>
          It did not: make it again
        </button>
        <button class="danger" disabled={isBusy} onClick={() => void decide(false, false)}>
          It did not: leave it
        </button>
      </div>
    )
  return (
    <div class="form-actions">
      <button class="primary" disabled={isBusy} onClick={() => void decide(true)}>
        {why === 'question' ? 'Answer' : 'Approve'}{' '}
        {isFirst && why === 'approval' && <kbd aria-hidden="true">a</kbd>}
      </button>
      <button class="danger" disabled={isBusy} onClick={() => void decide(false)}>
        Decline {isFirst && why === 'approval' && <kbd aria-hidden="true">d</kbd>}
      </button>
    </div>
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
