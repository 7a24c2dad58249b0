// A conversation: each message is a task of one session, and the answers come as they are written.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { post, submit, type TaskBody } from '../api/client.ts'
import { may } from '../api/session.ts'
import { TaskState } from '../components/badge.tsx'
import { Choice } from '../components/fields.tsx'
import { LongText } from '../components/long-text.tsx'
import { Empty, Failed, Loading } from '../components/states.tsx'
import { cost, duration } from '../format.ts'
import { useDraft } from '../drafts.ts'
import { useAgents } from '../new/choices.ts'
import { ModelNotice } from '../new/model-notice.tsx'
import type { PageProps } from '../pages.ts'
import { navigate } from '../router.ts'
import { taskPath } from '../tasks/page.tsx'
import { newTaskId } from '../task-id.ts'
import { line } from '../text.ts'
import { toast, toastError } from '../toast.ts'
import { Conversation, type Turn } from './conversation.ts'
import { useFollowedEnd } from './follow-end.ts'
import { DeleteSession, Sessions } from './sessions.tsx'
import { KeptVariables } from './variables.tsx'

const newSession = (): string => `chat-${newTaskId().slice(-12)}`

/** A new conversation gets its address with its first message: the page of that address goes on with it. */
let handed: Conversation | null = null

function taken(session: string): Conversation | null {
  const found = handed?.session === session ? handed : null
  handed = null
  return found
}

export function ChatPage({ params: { session } }: PageProps) {
  const id = useMemo(() => session ?? newSession(), [session])
  const conversation = useMemo(() => taken(id) ?? new Conversation(id, session === undefined), [id, session])
  useEffect(() => () => conversation.leave(), [conversation])
  const [agent, setAgent] = useState('')
  const turns = conversation.turns.value
  const { list, onScroll, follow, rest } = useFollowedEnd(
    turns.reduce((sum, { answer }) => sum + answer.length, turns.length),
  )
  const attempt = useRef<{ readonly body: string; readonly taskId: string } | null>(null)
  const send = async (text: string): Promise<boolean> => {
    follow()
    const task: TaskBody = { text, sessionId: id, ...(agent === '' ? {} : { agent }) }
    // The same message again, after an answer that did not come, is the same turn.
    const body = JSON.stringify([task, turns.length])
    if (attempt.current?.body !== body) attempt.current = { body, taskId: newTaskId() }
    try {
      const { taskId } = await submit(task, attempt.current.taskId)
      conversation.add(taskId, text)
      if (session !== undefined) return true
      handed = conversation.keep()
      navigate(`/chat/${encodeURIComponent(id)}`, { replace: true })
      return true
    } catch (error) {
      toastError(error)
      return false
    }
  }
  const stop = (taskId: string): void =>
    void post('/v1/tasks/:id/cancel', {}, { params: { id: taskId } }).then(
      () => toast('Cancel requested'),
      toastError,
    )
  const isBusy = turns.some(({ isOver }) => !isOver)
  return (
    <div class="page chat-page">
      <Sessions current={session ?? null} />
      <section class="chat" aria-label="Conversation">
        <header class="page-head">
          <h1>Chat</h1>
          <p class="muted">
            <bdi>{session === undefined ? 'new conversation' : line(id, 60)}</bdi>
          </p>
          {may('tasks:submit') && <AgentChoice agent={agent} onChange={setAgent} />}
          {session !== undefined && turns.length > 0 && <DeleteSession id={session} />}
        </header>
        {session !== undefined && <KeptVariables session={session} />}
        <div class="turns" ref={list} onScroll={onScroll} tabIndex={0} role="log" aria-label="Messages">
          {conversation.error.value !== null && (
            <Failed error={conversation.error.value} onAgain={conversation.again} />
          )}
          {!conversation.isThere.value && conversation.error.value === null && (
            <Loading what="the conversation" />
          )}
          {conversation.isThere.value && turns.length === 0 && <Nothing session={session} />}
          {conversation.earlier.value > 0 && (
            <button
              class="quiet"
              onClick={() => {
                rest()
                void conversation.loadEarlier()
              }}
            >
              {conversation.earlier.value} earlier messages
            </button>
          )}
          {turns.map((turn) => (
            <TurnView key={turn.taskId} turn={turn} onStop={stop} />
          ))}
        </div>
        {may('tasks:submit') && (
          <Composer
            name={session === undefined ? 'New conversation' : `Message to ${session}`}
            isBusy={isBusy}
            onSend={send}
          />
        )}
      </section>
    </div>
  )
}

/** Nothing was said: at the beginning, or under an address of which nothing is left. */
function Nothing({ session }: { readonly session: string | undefined }) {
  if (session === undefined && !may('tasks:submit')) return <Empty title="Choose a conversation" />
  if (session === undefined)
    return (
      <>
        <ModelNotice />
        <Empty title="Ask the fleet something">
          <p>
            Each message is a task of one session: the agent knows what was said before, and where it writes
            Python its variables are kept.
          </p>
        </Empty>
      </>
    )
  return (
    <Empty title="There is no such conversation">
      <p>It was deleted, its time has ended, or nothing was said in it yet.</p>
    </Empty>
  )
}

interface AgentChoiceProps {
  readonly agent: string
  readonly onChange: (agent: string) => void
}

function AgentChoice({ agent, onChange }: AgentChoiceProps) {
  const names = useAgents()
  const options = [{ value: '', label: 'default' }, ...names.map((name) => ({ value: name, label: name }))]
  return <Choice label="Agent" value={agent} options={options} onChange={onChange} />
}

interface TurnViewProps {
  readonly turn: Turn
  readonly onStop: (taskId: string) => void
}

function TurnView({ turn, onStop }: TurnViewProps) {
  const { taskId, asked, answer, status, isOver, activity, error } = turn
  return (
    <article class="turn">
      <div class="asked">
        <LongText text={asked} label="Message" isProse />
      </div>
      <div class={`answered${isOver ? '' : ' streaming'}`} aria-busy={!isOver}>
        {answer !== '' && <LongText text={answer} label="Answer" isProse />}
        {error !== null && <p class="failure-text">{line(error, 400)}</p>}
        <p class="turn-foot muted">
          <TaskState status={status} phase={null} />{' '}
          {activity !== null && !isOver && <span>{line(activity, 60)} · </span>}
          {isOver && turn.tookMs !== null && (
            <span>
              {duration(turn.tookMs)} · {turn.cost !== null && `${cost(turn.cost)} · `}{' '}
            </span>
          )}
          <a href={taskPath(taskId)}>Task</a>
          {!isOver && status === 'waiting' && may('approvals:decide') && (
            <>
              {' · '}
              <a href={`/inbox?task=${encodeURIComponent(taskId)}`}>Decide</a>
            </>
          )}
          {!isOver && may('tasks:cancel') && (
            <>
              {' · '}
              <button class="link" onClick={() => onStop(taskId)}>
                Stop
              </button>
            </>
          )}
        </p>
      </div>
    </article>
  )
}

function Composer({
  name,
  isBusy,
  onSend,
}: {
  /** Name of its draft. */
  readonly name: string
  readonly isBusy: boolean
  readonly onSend: (text: string) => Promise<boolean>
}) {
  const { value: text, set: setText, clear } = useDraft(name, '')
  const [isSending, setSending] = useState(false)
  const isReady = text.trim() !== '' && !isBusy && !isSending
  const send = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (!isReady) return
    setSending(true)
    if (await onSend(text.trim())) clear()
    setSending(false)
  }
  return (
    <form class="composer" onSubmit={(event) => void send(event)}>
      <textarea
        rows={2}
        aria-label="Message"
        placeholder={isBusy ? 'The answer is under way' : 'Message'}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) void send(event)
        }}
      />
      <button class="primary" disabled={!isReady}>
        Send
      </button>
    </form>
  )
}
