// Recent conversations, as the latest tasks have them.
import { get } from '../api/client.ts'
import { moment } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line } from '../text.ts'

const LOOKED_AT = 300
const SHOWN = 30

export function Sessions({ current }: { readonly current: string | null }) {
  const tasks = useLoaded(`sessions ${current}`, (signal) =>
    get('/v1/tasks', { query: { limit: LOOKED_AT }, signal }),
  )
  const latest = new Map<string, { text: string; atMs: number }>()
  for (const { sessionId, text, submittedAtMs } of tasks.value?.tasks ?? [])
    if (sessionId !== null)
      latest.set(sessionId, { text: text ?? '', atMs: latest.get(sessionId)?.atMs ?? submittedAtMs })
  const shown = [...latest].slice(0, SHOWN)
  return (
    <nav class="sessions" aria-label="Conversations">
      <a class="button" href="/chat">
        New conversation
      </a>
      <ul>
        {shown.map(([id, { text, atMs }]) => (
          <li key={id}>
            <a href={`/chat/${encodeURIComponent(id)}`} aria-current={id === current ? 'true' : undefined}>
              <bdi>{line(text === '' ? id : text, 60)}</bdi>
              <time class="muted">{moment(atMs)}</time>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  )
}
