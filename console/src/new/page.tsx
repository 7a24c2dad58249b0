// Submits a task.
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, asApiError, get, submit as submitTask } from '../api/client.ts'
import { Area, Choice, Field } from '../components/fields.tsx'
import { navigate, place } from '../router.ts'
import { useDraft } from '../drafts.ts'
import { newTaskId } from '../task-id.ts'
import { line } from '../text.ts'
import { taskPath } from '../tasks/page.tsx'
import { Limits } from './limits.tsx'
import { ModelNotice } from './model-notice.tsx'
import { useAgents, useModels } from './choices.ts'
import { draftOf, emptyDraft, taskOf, type Draft, type DraftField } from './draft.ts'

export function NewTaskPage() {
  const { query } = place.value
  const from = query.get('from')
  return <NewTask key={from} from={from} text={query.get('text')} />
}

interface NewTaskProps {
  /** The task whose submission it begins with. */
  readonly from: string | null
  /** What it is to do, unless something was typed before. */
  readonly text: string | null
}

function NewTask({ from, text }: NewTaskProps) {
  const kept = useDraft<Draft>(from === null ? 'New task' : `New task from ${from}`, emptyDraft)
  const draft = kept.value
  const attempt = useRef<{ readonly body: string; readonly taskId: string } | null>(null)
  const [error, setError] = useState<ApiError | null>(null)
  const [isSending, setSending] = useState(false)
  const agents = useAgents()
  const models = useModels()
  const isLimited = useRef(false)
  useEffect(() => {
    if (text !== null) kept.offer({ ...emptyDraft, text })
    if (from === null) return
    get('/v1/tasks/:id/submission', { params: { id: from } }).then(
      (submission) => kept.offer(draftOf(submission)),
      (cause: unknown) => setError(asApiError(cause)),
    )
  }, [from])
  const set = (name: DraftField) => (value: string) => kept.set({ ...draft, [name]: value })
  const { task, mistakes } = taskOf(draft)
  const isReady = draft.text.trim() !== '' && Object.keys(mistakes).length === 0 && !isSending
  const submit = async (event?: Event): Promise<void> => {
    event?.preventDefault()
    if (!isReady) return
    setSending(true)
    setError(null)
    // The same task again, after an answer that did not come, is the same task.
    const body = JSON.stringify(task)
    if (attempt.current?.body !== body)
      attempt.current = { body, taskId: String(task['taskId'] ?? newTaskId()) }
    try {
      const answer = await submitTask(task, attempt.current.taskId)
      kept.clear()
      navigate(taskPath(answer.taskId))
    } catch (cause) {
      setError(unanswered(asApiError(cause)))
      setSending(false)
    }
  }
  isLimited.current ||= from !== null
  const agentOptions = [
    { value: '', label: 'default' },
    ...agents.map((name) => ({ value: name, label: name })),
  ]
  const optionsOf = (...values: string[]) =>
    values.map((value) => ({ value, label: value === '' ? 'as the agent has it' : value }))
  return (
    <div class="page form-page">
      <header class="page-head">
        <h1>New task</h1>
        {from !== null && (
          <p class="muted">
            from <a href={taskPath(from)}>{line(from, 60)}</a>
          </p>
        )}
      </header>
      <ModelNotice />
      <form class="task-form" onSubmit={(event) => void submit(event)}>
        <Area
          label="What the agent is to do"
          value={draft.text}
          onInput={set('text')}
          rows={7}
          hasFocus
          onSubmit={() => void submit()}
          hint={`${draft.text.length.toLocaleString('en')} of 10,000 characters · Ctrl+Enter submits`}
        />
        <div class="grid">
          <Choice label="Agent" value={draft.agent} options={agentOptions} onChange={set('agent')} />
          <Choice
            label="Mode"
            value={draft.mode}
            options={optionsOf('', 'code', 'tools')}
            onChange={set('mode')}
          />
          <Field
            label="Model"
            value={draft.model}
            onInput={set('model')}
            options={models}
            placeholder="as the agent has it"
          />
        </div>
        <Limits draft={draft} mistakes={mistakes} isOpen={isLimited.current} set={set} />
        {error !== null && <Refused error={error} />}
        <div class="form-actions">
          <button class="primary" disabled={!isReady}>
            {isSending ? 'Submitting…' : 'Submit'}
          </button>
        </div>
      </form>
    </div>
  )
}

const unanswered = (error: ApiError): ApiError =>
  error.status === 0
    ? new ApiError(0, { code: error.code, message: error.message, remedy: 'Submit it again: it runs once.' })
    : error

function Refused({ error: { code, message, remedy } }: { readonly error: ApiError }) {
  return (
    <div class="problem" role="alert">
      <code>{line(code, 60)}</code> <bdi>{line(message, 600)}</bdi>{' '}
      <span class="muted">{line(remedy, 300)}</span>
    </div>
  )
}
