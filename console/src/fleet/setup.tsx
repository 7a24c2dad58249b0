// What the fleet is configured with: agents, tools, models, settings.
import { get, type Got } from '../api/client.ts'
import { Badge } from '../components/badge.tsx'
import { Part } from '../components/part.tsx'
import { Sheet } from '../components/sheet.tsx'
import { count, period } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line, shown } from '../text.ts'

const AGAIN_MS = 30_000

export function Setup() {
  const loaded = useLoaded(
    'setup',
    async (signal) => {
      const [agents, tools, models, config] = await Promise.all([
        get('/v1/fleet/agents', { signal }),
        get('/v1/fleet/tools', { signal }),
        get('/v1/fleet/models', { signal }),
        get('/v1/fleet/config', { signal }),
      ])
      return { agents, tools, models, config }
    },
    AGAIN_MS,
  )
  return (
    <div class="scroll setup" tabIndex={0} role="region" aria-label="Setup">
      <Part loaded={loaded} what="the setup">
        {({ agents, tools, models, config }) => (
          <>
            <h2>Agents</h2>
            <Agents rows={agents} />
            <h2>Tools</h2>
            <Tools rows={tools} />
            <h2>Models</h2>
            <Models rows={models} />
            <h2>Settings</h2>
            <Settings rows={config} />
          </>
        )}
      </Part>
    </div>
  )
}

interface RowsProps<
  P extends '/v1/fleet/agents' | '/v1/fleet/tools' | '/v1/fleet/models' | '/v1/fleet/config',
> {
  readonly rows: Got<P>
}

function Agents({ rows }: RowsProps<'/v1/fleet/agents'>) {
  return (
    <Sheet
      label="Agents"
      rows={rows}
      keyOf={({ name }) => name}
      columns={[
        {
          title: 'Agent',
          cell: ({ name, isDefault }) => (
            <>
              <b>{line(name, 60)}</b> {isDefault && <span class="tag">default</span>}
            </>
          ),
        },
        { title: 'Mode', cell: ({ mode }) => mode },
        {
          title: 'Model',
          cell: ({ model, strategy }) => line(model ?? strategy ?? 'by the task', 60),
        },
        { title: 'Tools', isWide: true, cell: ({ tools: own }) => line(own.join(', '), 200) },
        {
          title: 'What it does',
          isWide: true,
          cell: ({ description }) => line(description ?? '–', 300),
        },
      ]}
    />
  )
}

function Tools({ rows }: RowsProps<'/v1/fleet/tools'>) {
  return (
    <Sheet
      label="Tools"
      rows={rows}
      keyOf={({ name }) => name}
      columns={[
        { title: 'Tool', cell: ({ name }) => <code>{line(name, 60)}</code> },
        {
          title: 'MCP server',
          cell: ({ server }) =>
            server === null ? (
              <span class="muted">none</span>
            ) : (
              <a class="inline-link" href={`/fleet/mcp?server=${encodeURIComponent(server)}`}>
                {line(server, 40)}
              </a>
            ),
        },
        {
          title: 'Approval',
          cell: ({ requiresApproval }) =>
            requiresApproval ? <Badge tone="wait">by a person</Badge> : <span class="muted">none</span>,
        },
        { title: 'Idempotent', cell: ({ idempotent }) => (idempotent ? 'yes' : 'no') },
        { title: 'Time limit', isNumber: true, cell: ({ timeoutMs }) => period(timeoutMs) },
        { title: 'Retries', isNumber: true, cell: ({ retries }) => count(retries) },
        {
          title: 'Cached for',
          isNumber: true,
          cell: ({ cacheTtlMs }) => (cacheTtlMs === 0 ? '–' : period(cacheTtlMs)),
        },
        { title: 'Agents', isWide: true, cell: ({ agents: own }) => line(own.join(', '), 200) },
        { title: 'What it does', isWide: true, cell: ({ description }) => line(description, 300) },
      ]}
    />
  )
}

function Models({ rows }: RowsProps<'/v1/fleet/models'>) {
  return (
    <Sheet
      label="Models"
      rows={rows}
      keyOf={({ model }) => model}
      columns={[
        { title: 'Model', cell: ({ model }) => <code>{line(model, 80)}</code> },
        {
          title: 'State',
          isWide: true,
          cell: ({ missing, problem }) =>
            missing !== null ? (
              <>
                <Badge tone="idle">not set up</Badge>
                <p class="muted">{line(missing, 200)}</p>
              </>
            ) : problem !== null ? (
              <>
                <Badge tone="bad">fails</Badge> {line(problem, 200)}
              </>
            ) : (
              <Badge tone="good">configured</Badge>
            ),
        },
        {
          title: 'Price per million tokens',
          cell: ({ price }) =>
            price === null
              ? 'not known'
              : `$${price.input} in, $${price.output} out${price.isGuess ? ', a guess' : ''}`,
        },
        {
          title: 'Context',
          isNumber: true,
          cell: ({ contextTokens }) => (contextTokens === null ? '–' : `${count(contextTokens)} tokens`),
        },
        { title: 'Used by', isWide: true, cell: ({ usedBy }) => line(usedBy.join(', '), 200) },
      ]}
    />
  )
}

function Settings({ rows }: RowsProps<'/v1/fleet/config'>) {
  return (
    <Sheet
      label="Settings"
      rows={rows}
      keyOf={({ name, source }) => `${name} ${source}`}
      columns={[
        { title: 'Setting', cell: ({ name }) => <code>{line(name, 80)}</code> },
        {
          title: 'Value',
          isWide: true,
          cell: ({ value }) => <code>{line(shown(value), 200)}</code>,
        },
        { title: 'From', cell: ({ source }) => source },
      ]}
    />
  )
}
