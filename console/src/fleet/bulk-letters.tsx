// Replays or purges many dead letters: first which ones, and which would be refused, then all of them.
import { useState } from 'preact/hooks'
import { asApiError, post, type ApiError } from '../api/client.ts'
import { Dialog } from '../components/dialog.tsx'
import { Failed, Loading } from '../components/states.tsx'
import { count } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line } from '../text.ts'
import { toast } from '../toast.ts'
import type { DeadLetter } from './loading.ts'

export type BulkAction = 'replay' | 'purge'
export type LetterFilters = Readonly<Partial<Record<'code' | 'stage' | 'reason', string>>>

interface BulkProps {
  readonly action: BulkAction
  readonly filters: LetterFilters
  /** The listed ones: without a filter they are what is meant. */
  readonly letters: readonly DeadLetter[]
  readonly onClose: () => void
  readonly onDone: () => void
}

const MOST = 1_000
const SHOWN = 200

export function BulkLetters({ action, filters, letters, onClose, onDone }: BulkProps) {
  const [isForced, setForced] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<ApiError | null>(null)
  const chosen = Object.keys(filters).length > 0 ? filters : { ids: letters.map(({ id }) => id) }
  const ask = (dryRun: boolean) =>
    post(`/v1/dead-letters/${action}`, {
      ...chosen,
      limit: MOST,
      dryRun,
      ...(action === 'replay' ? { force: isForced } : {}),
    })
  const preview = useLoaded(`${action} ${isForced}`, () => ask(true))
  const act = async (): Promise<void> => {
    setBusy(true)
    try {
      const { matched, refused } = await ask(false)
      const done = matched.length - refused.length
      toast(`${action === 'replay' ? 'Replayed' : 'Purged'} ${count(done)}, refused ${count(refused.length)}`)
      onDone()
      onClose()
    } catch (cause) {
      setError(asApiError(cause))
      setBusy(false)
    }
  }
  const { matched = [], refused = [], more = false } = preview.value ?? {}
  const reasons = new Map(refused.map(({ id, message }) => [id, message]))
  const possible = matched.filter((id) => !reasons.has(id)).length
  const refusal = error ?? preview.error
  const again = (): void => {
    setError(null)
    preview.again()
  }
  const word = action === 'replay' ? 'Replay' : 'Purge'
  const actions = (
    <>
      <button onClick={onClose}>Leave them</button>
      <button
        class={action === 'replay' ? 'primary' : 'danger'}
        disabled={isBusy || possible === 0}
        onClick={() => void act()}
      >
        {word} {count(possible)}
      </button>
    </>
  )
  return (
    <Dialog title={`${word} dead letters`} onClose={onClose} actions={actions}>
      <p>
        {action === 'replay'
          ? 'Their records are published again, each once. Do it when the cause is fixed.'
          : 'They are not listed any more; retention deletes their bytes.'}
      </p>
      {refusal !== null && <Failed error={refusal} onAgain={again} isAsking={preview.isAsking} />}
      {preview.value === null && preview.error === null && <Loading what="what matches" />}
      {preview.value !== null && (
        <>
          <p>
            {count(matched.length)} match{more ? ', and more: repeat it for the rest' : ''}
            {refused.length > 0 && `; ${count(refused.length)} would be refused`}.
          </p>
          {matched.length > 0 && (
            <ol class="preview" tabIndex={0} aria-label="Dead letters that match">
              {matched.slice(0, SHOWN).map((id) => (
                <Matched
                  key={id}
                  id={id}
                  letter={letters.find((each) => each.id === id)}
                  refusal={reasons.get(id)}
                />
              ))}
              {matched.length > SHOWN && <li class="muted">and {count(matched.length - SHOWN)} more</li>}
            </ol>
          )}
        </>
      )}
      {action === 'replay' && (
        <label class="check">
          <input
            type="checkbox"
            checked={isForced}
            onChange={(event) => setForced(event.currentTarget.checked)}
          />
          Also events that only stages write: their stage handles them again
        </label>
      )}
    </Dialog>
  )
}

interface MatchedProps {
  readonly id: string
  readonly letter: DeadLetter | undefined
  readonly refusal: string | undefined
}

function Matched({ id, letter, refusal }: MatchedProps) {
  return (
    <li>
      {id} {letter && <bdi>{line(`${letter.code} ${letter.stage} ${letter.key ?? ''}`, 120)}</bdi>}
      {refusal !== undefined && <span class="bad"> refused: {line(refusal, 300)}</span>}
    </li>
  )
}
