// One task that waits: what was asked, what the model said before, and its calls to decide about.
import { useState } from 'preact/hooks'
import { get } from '../api/client.ts'
import { Empty, Failed, Loading } from '../components/states.tsx'
import { LongText } from '../components/long-text.tsx'
import { cost, count } from '../format.ts'
import { useLoaded } from '../load.ts'
import { taskPath } from '../tasks/page.tsx'
import { line } from '../text.ts'
import { recordedCall, saidBefore, waitingCalls, waitKey, type WaitingCall } from './calls.ts'
import { Decision } from './decision.tsx'

const AGAIN_MS = 5_000
const SAID_SHOWN = 3

const sentKey = (call: WaitingCall): string => `${waitKey(call)} ${call.decisions}`

interface DetailProps {
  readonly id: string
  /** The task waits for nobody any more, as far as this page knows. */
  readonly onDone: () => void
}

/** The task with its calls that wait: by its history, or where that is not read so far back, by the ledger. */
async function waitingTask(id: string, signal: AbortSignal) {
  const task = await get('/v1/tasks/:id', { params: { id }, signal })
  const waiting = waitingCalls(task)
  if (task.phase !== 'approval' || (task.eventsWhole && waiting.length > 0)) return { task, waiting }
  const known = new Set(waiting.map(({ callId }) => callId))
  const recorded = await get('/v1/approvals', { query: { task: id }, signal })
  const others = recorded.filter(({ callId }) => !known.has(callId)).map(recordedCall)
  return { task, waiting: [...others, ...waiting] }
}

export function WaitingTask({ id, onDone }: DetailProps) {
  /** Calls whose decision was sent, until the history has it: it may not count, or others may have to agree. */
  const [sent, setSent] = useState<ReadonlySet<string>>(new Set())
  const loaded = useLoaded(id, (signal) => waitingTask(id, signal), AGAIN_MS)
  const asked = useLoaded(id, (signal) => get('/v1/tasks/:id/submission', { params: { id }, signal }))
  if (loaded.error !== null && loaded.value === null)
    return <Failed error={loaded.error} onAgain={loaded.again} isAsking={loaded.isAsking} />
  if (loaded.value === null) return <Loading what="what waits" />
  const { task, waiting } = loaded.value
  const calls = waiting.filter((call) => !sent.has(sentKey(call)))
  const said = saidBefore(task).slice(-SAID_SHOWN)
  const take = (call: WaitingCall): void => {
    setSent(new Set([...sent, sentKey(call)]))
    if (calls.length === 1) onDone()
  }
  const { agent, userId, model, cost: dollars, inputTokens, outputTokens } = task
  return (
    <div class="waiting-task">
      <header class="waiting-head">
        <a class="back narrow-only" href="/inbox">
          ← Inbox
        </a>
        <a class="task-id" href={taskPath(id)} title="The whole task">
          <bdi>{line(id, 80)}</bdi>
        </a>
        <p class="muted">
          {[agent, userId, model].flatMap((each) => (each === null ? [] : [line(each, 40)])).join(' · ')} ·{' '}
          {count(inputTokens + outputTokens)} tokens · {cost(dollars)} so far
        </p>
      </header>
      {calls.length === 0 && (
        <Empty title="No call of this task waits for a person">
          <a href={taskPath(id)}>Show the task</a>
        </Empty>
      )}
      {calls.map((call, index) => (
        <Decision key={waitKey(call)} taskId={id} call={call} isFirst={index === 0} onDecided={take} />
      ))}
      <section class="context">
        <div>
          <h2>What was asked</h2>
          <LongText text={asked.value?.text ?? task.text ?? ''} label="What was asked" isProse />
        </div>
        {said.map(({ step, text }) => (
          <div key={step}>
            <h2>The model in step {step}</h2>
            <LongText text={text} label={`The model in step ${step}`} isProse />
          </div>
        ))}
        {!task.eventsWhole && <p class="muted">Earlier steps are further back in the log.</p>}
        <a class="button" href={taskPath(id)}>
          The whole task
        </a>
      </section>
    </div>
  )
}
