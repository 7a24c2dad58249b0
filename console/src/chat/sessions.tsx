// The sessions of the server, and deleting one.
import { signal } from '@preact/signals'
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { get, remove, type Got, type Me } from '../api/client.ts'
import { may, me } from '../api/session.ts'
import { Badge } from '../components/badge.tsx'
import { Dialog } from '../components/dialog.tsx'
import { moment } from '../format.ts'
import { useLoaded } from '../load.ts'
import { navigate } from '../router.ts'
import { line } from '../text.ts'
import { toast, toastError } from '../toast.ts'

const PAGE = 50
/** The most that the API gives at once. */
const MOST = 1_000
/** A session is listed when its first turn has ended. */
const AGAIN_MS = 5_000

/** Deleted here; the list may have them for a moment longer. */
const deleted = signal<ReadonlySet<string>>(new Set())

/** The list as it was last: each conversation is a page of its own, beside the same list. */
interface Seen {
  /** Nobody else sees it. */
  readonly viewer: Me | null
  list: Got<'/v1/sessions'>
  limit: number
  left: number
  top: number
}

let last: Seen | null = null

function seen(): Seen {
  const viewer = me.peek()
  if (last === null || last.viewer !== viewer)
    last = { viewer, list: { sessions: [], next: null }, limit: PAGE, left: 0, top: 0 }
  return last
}

export function Sessions({ current }: { readonly current: string | null }) {
  const kept = useMemo(seen, [])
  const box = useRef<HTMLElement>(null)
  const loaded = useLoaded(
    'sessions',
    (signal) => get('/v1/sessions', { query: { limit: kept.limit }, signal }),
    AGAIN_MS,
  )
  if (loaded.value !== null) kept.list = loaded.value
  const { sessions, next } = kept.list
  const shown = sessions.filter(({ sessionId }) => !deleted.value.has(sessionId))
  useLayoutEffect(() => box.current?.scrollTo(kept.left, kept.top), [])
  const more = (): void => {
    kept.limit = Math.min(MOST, kept.limit + PAGE)
    loaded.again()
  }
  return (
    <nav
      class="sessions"
      aria-label="Conversations"
      ref={box}
      onScroll={({ currentTarget }) => {
        kept.left = currentTarget.scrollLeft
        kept.top = currentTarget.scrollTop
      }}
    >
      {may('tasks:submit') && (
        <a class="button" href="/chat">
          New conversation
        </a>
      )}
      {loaded.error !== null && (
        <p>
          <Badge tone="bad">{shown.length === 0 ? 'Not loaded' : 'Not up to date'}</Badge>
        </p>
      )}
      <ul>
        {shown.map(({ sessionId, asked, turns, lastAtMs }) => (
          <li key={sessionId}>
            <a
              href={`/chat/${encodeURIComponent(sessionId)}`}
              aria-current={sessionId === current ? 'true' : undefined}
            >
              <bdi>{line(asked || sessionId, 60)}</bdi>
              <span class="muted">
                {turns} {turns === 1 ? 'turn' : 'turns'} · <time>{moment(lastAtMs)}</time>
              </span>
            </a>
          </li>
        ))}
      </ul>
      {next !== null && kept.limit < MOST && (
        <button class="quiet" onClick={more}>
          Show more
        </button>
      )}
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
