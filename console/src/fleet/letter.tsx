// One dead letter: why, from where, its event as far as the bytes are one, and its replay.
import { useState } from 'preact/hooks'
import { get, post, type Got } from '../api/client.ts'
import { useAction } from '../action.ts'
import { may } from '../api/session.ts'
import { Dialog } from '../components/dialog.tsx'
import { Field } from '../components/fields.tsx'
import { LongText } from '../components/long-text.tsx'
import { Part } from '../components/part.tsx'
import { useDraft } from '../drafts.ts'
import { bytes, exactTime } from '../format.ts'
import { useLoaded } from '../load.ts'
import { taskPath } from '../tasks/page.tsx'
import { line, shown, visible } from '../text.ts'
import { toast } from '../toast.ts'

type Content = Got<'/v1/dead-letters/:id'>

interface LetterProps {
  readonly id: string
  readonly onClose: () => void
  readonly onChanged: () => void
}

export function Letter({ id, onClose, onChanged }: LetterProps) {
  const loaded = useLoaded(id, (signal) => get('/v1/dead-letters/:id', { params: { id }, signal }))
  const [isForced, setForced] = useState(false)
  const { value: as, set: setAs, clear } = useDraft(`Replay of dead letter ${id}`, '')
  const letter = loaded.value
  const { run: replay, isBusy } = useAction(async () => {
    const body = { ...(isForced ? { force: true } : {}), ...(as.trim() === '' ? {} : { as: as.trim() }) }
    const { topic, partition, offset } = await post('/v1/dead-letters/:id/replay', body, { params: { id } })
    toast(`Replayed: ${topic}[${partition}]@${offset}`)
    clear()
    onChanged()
    onClose()
  })
  const actions = may('ops:write') && letter !== null && letter.replayedAtMs === null && (
    <button class="primary" disabled={isBusy} onClick={replay}>
      Replay
    </button>
  )
  return (
    <Dialog title={`Dead letter ${line(id, 40)}`} onClose={onClose} actions={actions || undefined}>
      <Part loaded={loaded} what="the dead letter">
        {(content) => (
          <>
            <Facts letter={content} />
            {actions && (
              <div class="grid">
                {content.sourceTopic === 'tasks.submitted' && (
                  <Field
                    label="As a new task with this id"
                    value={as}
                    onInput={setAs}
                    hint="If the task has its result already"
                  />
                )}
                <label class="check">
                  <input
                    type="checkbox"
                    checked={isForced}
                    onChange={(event) => setForced(event.currentTarget.checked)}
                  />
                  Also if only stages write this event
                </label>
              </div>
            )}
          </>
        )}
      </Part>
    </Dialog>
  )
}

/** Fields that were not given make most of an event. */
const withoutNulls = (data: unknown): unknown =>
  typeof data === 'object' && data !== null && !Array.isArray(data)
    ? Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null))
    : data

function Facts({ letter }: { readonly letter: Content }) {
  const { code, message, stage, sourceTopic, sourcePartition, sourceOffset, key, failedAtMs, replayedAtMs } =
    letter
  const facts: readonly (readonly [string, string])[] = [
    ['Stage', stage],
    ['Record', `${sourceTopic}[${sourcePartition}]@${sourceOffset}, ${bytes(letter.bytes)}`],
    ['Failed', exactTime(failedAtMs)],
    ['Replayed', replayedAtMs === null ? 'no' : exactTime(replayedAtMs)],
  ]
  return (
    <>
      <p class="letter-reason">
        <code class="bad">{line(code, 60)}</code> {visible(message)}
      </p>
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{line(value, 200)}</dd>
          </div>
        ))}
        <div>
          <dt>Key</dt>
          <dd>
            {key === null ? (
              '–'
            ) : sourceTopic.startsWith('tasks.') || sourceTopic.startsWith('tools.') ? (
              <a href={taskPath(key)}>
                <bdi>{line(key, 120)}</bdi>
              </a>
            ) : (
              <bdi>{line(key, 120)}</bdi>
            )}
          </dd>
        </div>
      </dl>
      {letter.event && (
        <section>
          <h3>{line(letter.event.type, 60)}</h3>
          <LongText
            text={shown(withoutNulls(letter.event.data))}
            label={`Event ${line(letter.event.type, 60)}`}
          />
        </section>
      )}
      {!letter.event && (
        <section>
          <h3>Bytes</h3>
          <LongText text={letter.value} label="Bytes" />
        </section>
      )}
      {Object.keys(letter.headers).length > 0 && (
        <section>
          <h3>Headers</h3>
          <LongText
            text={Object.entries(letter.headers)
              .map(([name, value]) => `${name}: ${value}`)
              .join('\n')}
            label="Headers"
          />
        </section>
      )}
    </>
  )
}
