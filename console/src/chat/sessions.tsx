// The sessions of the server, and deleting one.
import { signal } from '@preact/signals'
import { useState } from 'preact/hooks'
import { get, remove } from '../api/client.ts'
import { may } from '../api/session.ts'
import { Dialog } from '../components/dialog.tsx'
import { moment } from '../format.ts'
import { useLoaded } from '../load.ts'
import { navigate } from '../router.ts'
import { line } from '../text.ts'
import { toast, toastError } from '../toast.ts'

const SHOWN = 30
/** Tasks whose texts name the sessions. */
const LOOKED_AT = 300
/** A session is listed when its first turn has ended. */
const AGAIN_MS = 5_000

/** Deleted here; the list may have them for a moment longer. */
const deleted = signal<ReadonlySet<string>>(new Set())

export function Sessions({ current }: { readonly current: string | null }) {
  const loaded = useLoaded(
    `sessions ${current}`,
    async (signal) => {
      const [{ sessions }, { tasks }] = await Promise.all([
        get('/v1/sessions', { query: { limit: SHOWN }, signal }),
        get('/v1/tasks', { query: { limit: LOOKED_AT }, signal }),
      ])
      return { sessions, texts: new Map(tasks.map(({ sessionId, text }) => [sessionId, text])) }
    },
    AGAIN_MS,
  )
  const { sessions, texts } = loaded.value ?? { sessions: [], texts: new Map<string, string>() }
  const shown = sessions.filter(({ sessionId }) => !deleted.value.has(sessionId))
  return (
    <nav class="sessions" aria-label="Conversations">
      {may('tasks:submit') && (
        <a class="button" href="/chat">
          New conversation
        </a>
      )}
      <ul>
        {shown.map(({ sessionId, turns, lastAtMs }) => (
          <li key={sessionId}>
            <a
              href={`/chat/${encodeURIComponent(sessionId)}`}
              aria-current={sessionId === current ? 'true' : undefined}
            >
              <bdi>{line(texts.get(sessionId) || sessionId, 60)}</bdi>
              <span class="muted">
                {turns} {turns === 1 ? 'turn' : 'turns'} · <time>{moment(lastAtMs)}</time>
              </span>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  )
}

export function DeleteSession({ id }: { readonly id: string }) {
  const [isAsking, setAsking] = useState(false)
  if (!may('tasks:cancel')) return null
  const act = async (): Promise<void> => {
    setAsking(false)
    try {
      await remove('/v1/sessions/:id', { params: { id } })
      deleted.value = new Set([...deleted.value, id])
      toast('The session is being deleted.')
      navigate('/chat')
    } catch (error) {
      toastError(error)
    }
  }
  return (
    <>
      <button onClick={() => setAsking(true)}>Delete</button>
      {isAsking && (
        <Dialog
          title="Delete this session"
          onClose={() => setAsking(false)}
          actions={
            <button class="danger" onClick={() => void act()}>
              Delete the session
            </button>
          }
        >
          <p>
            <bdi>{line(id, 60)}</bdi>: its running task is cancelled, messages that wait are rejected, and its
            texts leave the state and the ledger. The records on the log stay until their retention ends.
          </p>
        </Dialog>
      )}
    </>
  )
}
