// What the fleet costs and how good it is, over time and by model, agent, user or tool.
import { useMemo } from 'preact/hooks'
import { pathWith } from '../api/client.ts'
import { fleetMs } from '../clock.ts'
import { Part } from '../components/part.tsx'
import { Empty } from '../components/states.tsx'
import { download } from '../download.ts'
import { count } from '../format.ts'
import { useLoaded } from '../load.ts'
import { place } from '../router.ts'
import { toastError } from '../toast.ts'
import { Breakdown } from './breakdown.tsx'
import { Figures } from './figures.tsx'
import { CostPlots, QualityPlots } from './plots.tsx'
import { beginOf, groups, ranges, timesOf, usageOf, type Group, type Range, type Usage } from './usage.ts'

const AGAIN_MS = 60_000

export type View = 'cost' | 'quality'

export function CostPage() {
  const { path, query } = place.value
  const view: View = path === '/quality' ? 'quality' : 'cost'
  const range = ranges.find(({ name }) => name === query.get('range')) ?? ranges[1]
  const by = groups.find((group) => group === query.get('by')) ?? 'model'
  const loaded = useLoaded(`${range.name} ${by}`, (signal) => usageOf(range, by, signal), AGAIN_MS)
  const addressOf = (changed: Partial<{ view: View; range: string; by: Group }>): string => {
    const asked = { view, range: range.name, by, ...changed }
    return `/${asked.view}?range=${asked.range}&by=${asked.by}`
  }
  return (
    <div class="page cost-page">
      <header class="page-head">
        <h1>Cost and quality</h1>
        <Tabs
          label="What is shown"
          tabs={(['cost', 'quality'] as const).map((each) => ({
            label: each === 'cost' ? 'Cost' : 'Quality',
            href: addressOf({ view: each }),
            isHere: each === view,
          }))}
        />
        <span class="counts" />
        <Exports range={range} />
      </header>
      <div class="filter-bar">
        <Tabs
          label="By"
          tabs={groups.map((each) => ({
            label: `By ${each}`,
            href: addressOf({ by: each }),
            isHere: each === by,
          }))}
        />
        <Tabs
          label="Time"
          tabs={ranges.map(({ name, label }) => ({
            label,
            href: addressOf({ range: name }),
            isHere: name === range.name,
          }))}
        />
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label="Cost and quality">
        <Part loaded={loaded} what="usage">
          {(usage) => <Shown view={view} usage={usage} range={range} by={by} />}
        </Part>
      </div>
    </div>
  )
}

interface Tab {
  readonly label: string
  readonly href: string
  readonly isHere: boolean
}

function Tabs({ label, tabs }: { readonly label: string; readonly tabs: readonly Tab[] }) {
  return (
    <ul class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <li key={tab.href}>
          <a href={tab.href} aria-current={tab.isHere ? 'true' : undefined}>
            {tab.label}
          </a>
        </li>
      ))}
    </ul>
  )
}

interface ShownProps {
  readonly view: View
  readonly usage: Usage
  readonly range: Range
  readonly by: Group
}

function Shown({ view, usage, range, by }: ShownProps) {
  const timesMs = useMemo(() => timesOf(usage, range.per), [usage, range])
  if (usage.total === null && usage.lines.length === 0)
    return (
      <Empty title={`No task ended in the last ${range.label}`}>
        <a href="/tasks">All tasks</a>
      </Empty>
    )
  return (
    <>
      <Figures usage={usage} view={view} />
      {view === 'cost' ? (
        <CostPlots usage={usage} timesMs={timesMs} per={range.per} by={by} />
      ) : (
        <QualityPlots usage={usage} timesMs={timesMs} per={range.per} by={by} />
      )}
      {usage.isCut && (
        <p class="muted">
          The plots by {by} begin later: only the latest {count(usage.parts.length)} figures are shown.
        </p>
      )}
      <Breakdown lines={usage.lines} by={by} view={view} />
      <p class="muted">
        {by === 'model' || by === 'tool' ? 'By model and tool lines count calls' : 'Lines count tasks'}; days
        are UTC. Rejected tasks count for neither success nor failure.
      </p>
    </>
  )
}

function Exports({ range }: { readonly range: Range }) {
  const save = (table: 'calls' | 'tasks'): void => {
    const from = new Date(beginOf(range, fleetMs())).toISOString()
    const path = pathWith('/v1/usage/export', {}, { table, format: 'csv', from })
    download(path, `${table}-${range.name}.csv`).catch(toastError)
  }
  return (
    <>
      <button onClick={() => save('tasks')}>Tasks CSV</button>
      <button onClick={() => save('calls')}>Calls CSV</button>
    </>
  )
}
