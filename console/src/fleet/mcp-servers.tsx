// MCP servers whose tools the fleet uses: state, pins, and how calls went over the last day.
import { get, type Got } from '../api/client.ts'
import { may } from '../api/session.ts'
import { now } from '../clock.ts'
import { Badge, type Tone } from '../components/badge.tsx'
import { Part } from '../components/part.tsx'
import { Sheet, type SheetColumn } from '../components/sheet.tsx'
import { Empty } from '../components/states.tsx'
import { ago, count, duration, exactTime } from '../format.ts'
import { useLoaded } from '../load.ts'
import { place } from '../router.ts'
import { line } from '../text.ts'
import { AGAIN_MS } from './loading.ts'

type Server = Got<'/v1/fleet/mcp-servers'>[number]
type Tool = Server['tools'][number]
type Calls = Server['calls']

const states: Readonly<Record<Server['state'], readonly [Tone, string]>> = {
  works: ['good', 'works'],
  unused: ['idle', 'not called'],
  failing: ['bad', 'fails'],
  changed: ['bad', 'changed'],
  open: ['bad', 'breaker open'],
}

export function McpServers() {
  const loaded = useLoaded('mcp servers', (signal) => get('/v1/fleet/mcp-servers', { signal }), AGAIN_MS)
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="MCP servers">
      <Part loaded={loaded} what="MCP servers">
        {(servers) =>
          servers.length === 0 ? (
            <Empty title="The fleet uses no MCP server">
              <p>
                Servers that <code>mcpServers</code> of flotilla.config.ts names appear here once their tools
                are pinned, by <code>flotilla mcp sync</code>.
              </p>
            </Empty>
          ) : (
            <Servers servers={servers} />
          )
        }
      </Part>
    </div>
  )
}

function Servers({ servers }: { readonly servers: readonly Server[] }) {
  const asked = place.value.query.get('server')
  const selected = servers.find(({ name }) => name === asked) ?? servers.find(isTroubled) ?? servers[0]
  return (
    <>
      <Sheet
        label="MCP servers of the fleet"
        rows={servers}
        keyOf={({ name }) => name}
        columns={serverColumns(selected?.name)}
      />
      {selected && <ServerDetail server={selected} />}
    </>
  )
}

const isTroubled = ({ state }: Server): boolean => states[state][0] === 'bad'

const serverColumns = (selected: string | undefined): SheetColumn<Server>[] => [
  {
    title: 'Server',
    cell: ({ name }) => (
      <a
        class="sheet-link"
        href={`/fleet/mcp?server=${encodeURIComponent(name)}`}
        aria-current={name === selected ? 'true' : undefined}
      >
        {line(name, 40)}
      </a>
    ),
  },
  { title: 'State', cell: ({ state }) => <Badge tone={states[state][0]}>{states[state][1]}</Badge> },
  {
    title: 'Tools',
    isNumber: true,
    cell: ({ tools }) => count(tools.filter(({ name }) => name !== null).length),
  },
  ...callColumns<Server>(),
  { title: 'Last failure', isWide: true, cell: ({ calls }) => <LastFailure calls={calls} /> },
]

function callColumns<Row extends { readonly calls: Calls }>(): SheetColumn<Row>[] {
  return [
    { title: 'Calls', isNumber: true, cell: ({ calls }) => count(calls.made) },
    {
      title: 'Failed',
      isNumber: true,
      cell: ({ calls }) => (calls.failed === 0 ? '0' : <b class="bad">{count(calls.failed)}</b>),
    },
    {
      title: 'Mean',
      isNumber: true,
      cell: ({ calls: { meanMs } }) => (meanMs === null ? '–' : duration(meanMs)),
    },
    {
      title: 'Last call',
      cell: ({ calls: { lastAtMs } }) =>
        lastAtMs === null ? '–' : <time title={exactTime(lastAtMs)}>{ago(lastAtMs, now.value)}</time>,
    },
  ]
}

function LastFailure({ calls: { lastFailure } }: { readonly calls: Calls }) {
  if (lastFailure === null) return <span class="muted">none</span>
  return (
    <>
      <code>{line(lastFailure.tool, 64)}</code> <Failure failure={lastFailure} />
    </>
  )
}

function Failure({
  failure: { code, taskId, atMs },
}: {
  readonly failure: NonNullable<Calls['lastFailure']>
}) {
  return (
    <>
      <code class="bad">{line(code, 60)}</code> <time title={exactTime(atMs)}>{ago(atMs, now.value)}</time>
      {may('tasks:read') && (
        <>
          {' '}
          <a class="inline-link" href={`/tasks/${encodeURIComponent(taskId)}`}>
            its task
          </a>
        </>
      )}
    </>
  )
}

function ServerDetail({ server }: { readonly server: Server }) {
  const { name, title, address, transport, protocol, trust, isPerUser, tools, countedFromMs } = server
  return (
    <section aria-label={`Server ${line(name, 40)}`}>
      <h2>{line(name, 40)}</h2>
      <Trouble server={server} />
      <dl class="facts">
        <Fact title={transport === 'http' ? 'Address' : 'Program'} value={address} />
        <Fact title="Calls itself" value={title} />
        <Fact title="Revision of MCP" value={protocol} />
        <Fact title="Credentials" value={isPerUser ? 'of each user' : 'of the fleet'} />
        <Fact
          title="Hints that are believed"
          value={trust.length === 0 ? 'none' : trust.map((hint) => hint.replace(/Hint$/, '')).join(', ')}
        />
        <Fact title="Calls are counted since" value={exactTime(countedFromMs)} />
      </dl>
      <Sheet
        label={`Pinned tools of ${line(name, 40)}`}
        rows={tools}
        keyOf={({ name: own, nameThere }) => `${own} ${nameThere}`}
        columns={toolColumns}
      />
    </section>
  )
}

function Fact({ title, value }: { readonly title: string; readonly value: string }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>
        <bdi>{line(value, 200)}</bdi>
      </dd>
    </div>
  )
}

function Trouble({ server: { state, breaker, tools } }: { readonly server: Server }) {
  const refused = tools.flatMap(({ name, isRefused }) => (isRefused && name !== null ? [name] : []))
  return (
    <>
      {breaker !== null && (
        <p class="notice">
          <Badge tone="bad">{breaker.state === 'open' ? 'Breaker open' : 'Being tried'}</Badge>{' '}
          <bdi>{line(breaker.reason ?? 'no reason is known', 300)}</bdi>{' '}
          <span class="muted">
            {ago(breaker.sinceMs, now.value)}, <bdi>{line(breaker.instance, 60)}</bdi>. Its calls wait.
          </span>
        </p>
      )}
      {refused.length > 0 && (
        <p class="notice">
          <Badge tone="bad">Changed</Badge> The server describes {line(refused.join(', '), 200)} differently
          from what is pinned, or has it no more, so calls are refused. Read why, then pin it:{' '}
          <code>flotilla mcp sync</code>
        </p>
      )}
      {state === 'failing' && (
        <p class="notice">
          Its last call failed. <a href="/fleet/doctor">Doctor</a> connects to it, and compares its tools with
          what is pinned.
        </p>
      )}
    </>
  )
}

/** As much as people compare; the title has all of it. */
const HASH_SHOWN = 8
const shortHash = (hash: string): string => hash.replace(/^sha256-/, '').slice(0, HASH_SHOWN)

const toolColumns: readonly SheetColumn<Tool>[] = [
  {
    title: 'Tool',
    isWide: true,
    cell: ({ name, nameThere, description }) => (
      <>
        <code>
          <bdi>{line(name ?? nameThere ?? '', 64)}</bdi>
        </code>
        <p class="muted">{line(description, 160)}</p>
      </>
    ),
  },
  { title: 'State', cell: (tool) => <ToolState tool={tool} /> },
  ...callColumns<Tool>(),
  {
    title: 'Last failure',
    cell: ({ calls: { lastFailure } }) =>
      lastFailure === null ? <span class="muted">none</span> : <Failure failure={lastFailure} />,
  },
  {
    title: 'Pin',
    cell: ({ hash }) =>
      hash === null ? '–' : <code title={line(hash, 80)}>{line(shortHash(hash), 40)}</code>,
  },
  { title: 'Rules', cell: (tool) => line(rulesOf(tool).join(', ') || '–', 80) },
  { title: 'Agents', cell: ({ agents }) => line(agents.join(', ') || 'none', 60) },
]

function ToolState({ tool: { name, isRefused, calls } }: { readonly tool: Tool }) {
  const { made, lastAtMs, lastFailure } = calls
  if (name === null) return <Badge tone="idle">left out</Badge>
  if (isRefused) return <Badge tone="bad">changed, refused</Badge>
  if (made === 0) return <Badge tone="idle">not called</Badge>
  return lastFailure?.atMs === lastAtMs ? <Badge tone="bad">failed</Badge> : <Badge tone="good">works</Badge>
}

const rulesOf = ({ idempotent, requiresApproval }: Tool): string[] => [
  ...(idempotent ? ['may be repeated'] : []),
  ...(requiresApproval ? ['a person approves'] : []),
]
