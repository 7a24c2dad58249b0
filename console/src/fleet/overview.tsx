// What needs a look, at a glance; which processes run, and who waits in the queue.
import type { ComponentChildren } from 'preact'
import type { Got } from '../api/client.ts'
import { Badge, type Tone } from '../components/badge.tsx'
import { Part } from '../components/part.tsx'
import { Sheet } from '../components/sheet.tsx'
import { ago, count } from '../format.ts'
import { useLoaded } from '../load.ts'
import { now } from '../clock.ts'
import { line } from '../text.ts'
import {
  AGAIN_MS,
  COUNTED,
  leaderlessIn,
  overview,
  type Budget,
  type Lane,
  type Pause,
  type Piece,
  type Readiness,
} from './loading.ts'

type State = Awaited<ReturnType<typeof overview>>

export function Overview() {
  const loaded = useLoaded('overview', overview, AGAIN_MS)
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Overview">
      <Part loaded={loaded} what="the fleet">
        {(state) => (
          <>
            <Tiles state={state} />
            <div class="columns">
              <div>
                <Known piece={state.lanes}>{(lanes) => <Processes lanes={lanes} />}</Known>
                {state.queue !== null && (
                  <Known piece={state.queue}>{(queue) => <Queue queue={queue} />}</Known>
                )}
              </div>
              <Known piece={state.ready}>{(ready) => <Checks ready={ready} />}</Known>
            </div>
          </>
        )}
      </Part>
    </div>
  )
}

interface TileProps {
  readonly href: string
  readonly title: string
  readonly value: string
  readonly tone: Tone
  readonly children: ComponentChildren
}

function Tile({ href, title, value, tone, children }: TileProps) {
  return (
    <a class={`tile ${tone}`} href={href}>
      <span class="tile-title">{title}</span>
      <span class="tile-value">{value}</span>
      <span class="tile-more">{children}</span>
    </a>
  )
}

interface FigureProps<T> {
  readonly href: string
  readonly title: string
  readonly piece: Piece<T>
  readonly show: (value: T) => readonly [value: string, tone: Tone, more: string]
}

function Figure<T>({ href, title, piece, show }: FigureProps<T>) {
  const [value, tone, more] =
    'error' in piece
      ? (['–', 'idle', `not known: ${line(piece.error.message, 80)}`] as const)
      : show(piece.value)
  return (
    <Tile href={href} title={title} value={value} tone={tone}>
      {more}
    </Tile>
  )
}

/** Share of a budget from which on it is worth a look. */
const NEAR = 0.8
const fullness = ({ used, reserved, limit }: Budget): number =>
  limit === null || limit === 0 ? 0 : (used + reserved) / limit

function Tiles({ state: { lanes, pauses, breakers, alerts, letters, budgets } }: { readonly state: State }) {
  const paused = 'error' in pauses ? [] : pauses.value
  return (
    <div class="tiles">
      <Figure href="/fleet/lanes" title="Records behind" piece={lanes} show={(all) => behind(all, paused)} />
      <Figure
        href="/fleet/dead-letters"
        title="Dead letters"
        piece={letters}
        show={(all) => {
          const waiting = all.filter(({ replayedAtMs }) => replayedAtMs === null).length
          const latest = all[0] ? `the latest ${ago(all[0].failedAtMs, now.value)}` : 'none'
          return [
            `${count(waiting)}${all.length === COUNTED ? '+' : ''}`,
            waiting > 0 ? 'bad' : 'good',
            latest,
          ]
        }}
      />
      <Figure
        href="/fleet/breakers"
        title="Open breakers"
        piece={breakers}
        show={(all) => {
          const open = all.filter(({ state, stale }) => state !== 'closed' && !stale)
          if (open.length === 0) return ['0', 'good', 'every target is called']
          return [count(open.length), 'bad', line(open.map(({ breaker }) => breaker).join(', '), 60)]
        }}
      />
      <Figure
        href="/fleet/alerts"
        title="Firing alerts"
        piece={alerts}
        show={(all) => {
          const firing = all.filter(({ state }) => state === 'firing')
          if (firing.length === 0) return ['0', 'good', `${count(all.length)} rules are quiet`]
          return [count(firing.length), 'bad', line(firing.map(({ rule }) => rule).join(', '), 60)]
        }}
      />
      <Figure
        href="/fleet/limits"
        title="Budgets near their limit"
        piece={budgets}
        show={(all) => {
          const near = all.filter((budget) => fullness(budget) >= NEAR)
          if (near.length === 0) return ['0', 'good', 'of today’s tokens']
          return [count(near.length), 'wait', line(near.map(({ budget }) => budget).join(', '), 60)]
        }}
      />
    </div>
  )
}

function behind(lanes: readonly Lane[], pauses: readonly Pause[]): readonly [string, Tone, string] {
  const lag = count(lanes.reduce((sum, lane) => sum + lane.lag, 0))
  const leaderless = leaderlessIn(lanes)
  if (leaderless.length > 0)
    return [
      `${lag}+`,
      'bad',
      `no broker leads ${leaderless.length === 1 ? leaderless[0] : `${count(leaderless.length)} partitions`}`,
    ]
  const unowned = lanes.filter(({ owner }) => owner === null).length
  if (unowned > 0) return [lag, 'bad', `${count(unowned)} of ${count(lanes.length)} lanes have no owner`]
  if (pauses.length === 0) return [lag, 'good', `${count(lanes.length)} lanes, all owned`]
  return [lag, 'wait', `${pauses.map(({ stage }) => line(stage ?? 'the fleet', 30)).join(', ')} paused`]
}

/** A section of what is known, or why it is not. */
function Known<T>({
  piece,
  children,
}: {
  readonly piece: Piece<T>
  readonly children: (value: T) => ComponentChildren
}) {
  if ('error' in piece)
    return (
      <p class="notice" role="alert">
        <Badge tone="bad">Not known</Badge> {line(piece.error.message, 200)}
      </p>
    )
  return <>{children(piece.value)}</>
}

function Processes({ lanes }: { readonly lanes: readonly Lane[] }) {
  const owners = [...Map.groupBy(lanes, ({ owner }) => owner ?? '')].toSorted(([a], [b]) =>
    a.localeCompare(b),
  )
  return (
    <section>
      <h2>Processes</h2>
      <Sheet
        label="Processes"
        keyOf={([owner]) => owner}
        rows={owners}
        columns={[
          {
            title: 'Process',
            isWide: true,
            cell: ([owner]) =>
              owner === '' ? <Badge tone="bad">nobody</Badge> : <bdi>{line(owner, 80)}</bdi>,
          },
          {
            title: 'Stages',
            isWide: true,
            cell: ([, own]) => [...new Set(own.map(({ stage }) => line(stage, 30)))].join(', '),
          },
          { title: 'Lanes', isNumber: true, cell: ([, own]) => count(own.length) },
          {
            title: 'Behind',
            isNumber: true,
            cell: ([, own]) => count(own.reduce((sum, { lag }) => sum + lag, 0)),
          },
        ]}
      />
    </section>
  )
}

function Checks({ ready }: { readonly ready: Readiness }) {
  return (
    <section>
      <h2>Checks of this gateway</h2>
      <p class="muted">
        Parts that it needs to serve. <a href="/fleet/doctor">Doctor</a> looks at more, and says what to do.
      </p>
      <Sheet
        label="Checks"
        keyOf={({ name }) => name}
        rows={ready.parts}
        columns={[
          { title: 'Part', cell: ({ name }) => line(name, 40) },
          {
            title: 'State',
            isWide: true,
            cell: ({ problem }) =>
              problem === null ? (
                <Badge tone="good">works</Badge>
              ) : (
                <>
                  <Badge tone="bad">fails</Badge> {line(problem, 300)}
                </>
              ),
          },
        ]}
      />
    </section>
  )
}

type QueueState = Got<'/v1/tasks'>
type Queued = QueueState['tasks'][number]

interface QueueLine {
  readonly priority: number
  readonly user: string
  readonly own: readonly Queued[]
}

/** In the order in which the router takes them: by priority; of one, the users with the most tasks first. */
function queueLines(tasks: readonly Queued[]): QueueLine[] {
  const byPriority = Map.groupBy(tasks, ({ priority }) => priority ?? 0)
  return [...byPriority]
    .flatMap(([priority, own]) =>
      [...Map.groupBy(own, ({ userId }) => userId ?? '')].map(([user, each]) => ({
        priority,
        user,
        own: each,
      })),
    )
    .toSorted((a, b) => b.priority - a.priority || b.own.length - a.own.length)
}

function Queue({ queue: { tasks, next } }: { readonly queue: QueueState }) {
  const lines = queueLines(tasks)
  return (
    <section>
      <h2>
        Queue · {count(tasks.length)}
        {next === null ? '' : '+'} tasks
      </h2>
      {tasks.length === 0 ? (
        <p class="muted">No task waits for room in the fleet.</p>
      ) : (
        <Sheet
          label="Queue by priority and user"
          keyOf={({ priority, user }) => `${priority} ${user}`}
          rows={lines}
          columns={[
            { title: 'Priority', isNumber: true, cell: ({ priority }) => String(priority) },
            {
              title: 'User',
              isWide: true,
              cell: ({ user }) => (
                <a href={`/tasks?status=queued${user === '' ? '' : `&user=${encodeURIComponent(user)}`}`}>
                  <bdi>{user === '' ? 'no user' : line(user, 60)}</bdi>
                </a>
              ),
            },
            { title: 'Queued', isNumber: true, cell: ({ own }) => count(own.length) },
            {
              title: 'Oldest',
              isNumber: true,
              cell: ({ own }) => ago(Math.min(...own.map(({ submittedAtMs }) => submittedAtMs)), now.value),
            },
          ]}
        />
      )}
    </section>
  )
}
