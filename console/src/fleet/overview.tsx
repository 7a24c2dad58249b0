// What needs a look, at a glance; which processes run, and who waits in the queue.
import type { ComponentChildren } from 'preact'
import { Badge, type Tone } from '../components/badge.tsx'
import { Part } from '../components/part.tsx'
import { Sheet } from '../components/sheet.tsx'
import { ago, count } from '../format.ts'
import { useLoaded } from '../load.ts'
import { now } from '../clock.ts'
import { line } from '../text.ts'
import { AGAIN_MS, COUNTED, overview, type Budget, type Lane } from './loading.ts'

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
                <Processes lanes={state.lanes} />
                {state.queue !== null && <Queue queue={state.queue} />}
              </div>
              <Checks state={state} />
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

/** Share of a budget from which on it is worth a look. */
const NEAR = 0.8
const fullness = ({ used, reserved, limit }: Budget): number =>
  limit === null || limit === 0 ? 0 : (used + reserved) / limit

function Tiles({ state: { lanes, pauses, breakers, alerts, letters, budgets } }: { readonly state: State }) {
  const lag = lanes.reduce((sum, lane) => sum + lane.lag, 0)
  const unowned = lanes.filter(({ owner }) => owner === null).length
  const open = breakers.filter(({ state, stale }) => state !== 'closed' && !stale)
  const firing = alerts.filter(({ state }) => state === 'firing')
  const near = budgets.filter((budget) => fullness(budget) >= NEAR)
  const waiting = letters.filter(({ replayedAtMs }) => replayedAtMs === null).length
  return (
    <div class="tiles">
      <Tile
        href="/fleet/lanes"
        title="Records behind"
        value={count(lag)}
        tone={unowned > 0 ? 'bad' : pauses.length > 0 ? 'wait' : 'good'}
      >
        {unowned > 0
          ? `${count(unowned)} of ${count(lanes.length)} lanes have no owner`
          : pauses.length > 0
            ? `${pauses.map(({ stage }) => line(stage ?? 'the fleet', 30)).join(', ')} paused`
            : `${count(lanes.length)} lanes, all owned`}
      </Tile>
      <Tile
        href="/fleet/dead-letters"
        title="Dead letters"
        value={`${count(waiting)}${letters.length === COUNTED ? '+' : ''}`}
        tone={waiting > 0 ? 'bad' : 'good'}
      >
        {letters[0] ? `the latest ${ago(letters[0].failedAtMs, now.value)}` : 'none'}
      </Tile>
      <Tile
        href="/fleet/breakers"
        title="Open breakers"
        value={count(open.length)}
        tone={open.length > 0 ? 'bad' : 'good'}
      >
        {open.length > 0 ? line(open.map(({ breaker }) => breaker).join(', '), 60) : 'every target is called'}
      </Tile>
      <Tile
        href="/fleet/alerts"
        title="Firing alerts"
        value={count(firing.length)}
        tone={firing.length > 0 ? 'bad' : 'good'}
      >
        {firing.length > 0
          ? line(firing.map(({ rule }) => rule).join(', '), 60)
          : `${count(alerts.length)} rules are quiet`}
      </Tile>
      <Tile
        href="/fleet/limits"
        title="Budgets near their limit"
        value={count(near.length)}
        tone={near.length > 0 ? 'wait' : 'good'}
      >
        {near.length > 0 ? line(near.map(({ budget }) => budget).join(', '), 60) : 'of today’s tokens'}
      </Tile>
    </div>
  )
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

function Checks({ state: { ready } }: { readonly state: State }) {
  return (
    <section>
      <h2>Checks of this gateway</h2>
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

type Queued = NonNullable<State['queue']>['tasks'][number]

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

function Queue({ queue: { tasks, next } }: { readonly queue: NonNullable<State['queue']> }) {
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
