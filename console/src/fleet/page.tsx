// The fleet: what runs, what is stuck, and what an operator may do about it.
import type { FunctionComponent } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { PageProps } from '../pages.ts'
import { Empty } from '../components/states.tsx'
import { Alerts } from './alerts.tsx'
import { Breakers } from './breakers.tsx'
import { DeadLetters } from './dead-letters.tsx'
import { Doctor } from './doctor.tsx'
import { Lanes } from './lanes.tsx'
import { Limits } from './limits.tsx'
import { McpServers } from './mcp-servers.tsx'
import { Overview } from './overview.tsx'
import { Setup } from './setup.tsx'
import { Topics } from './topics.tsx'

interface FleetPart {
  readonly name: string
  readonly title: string
  readonly component: FunctionComponent
}

const parts: readonly FleetPart[] = [
  { name: '', title: 'Overview', component: Overview },
  { name: 'lanes', title: 'Stages & lanes', component: Lanes },
  { name: 'dead-letters', title: 'Dead letters', component: DeadLetters },
  { name: 'breakers', title: 'Breakers', component: Breakers },
  { name: 'mcp', title: 'MCP servers', component: McpServers },
  { name: 'alerts', title: 'Alerts', component: Alerts },
  { name: 'limits', title: 'Limits', component: Limits },
  { name: 'topics', title: 'Topics', component: Topics },
  { name: 'setup', title: 'Setup', component: Setup },
  { name: 'doctor', title: 'Doctor', component: Doctor },
]

export function FleetPage({ params: { part: name = '' } }: PageProps) {
  const part = parts.find((each) => each.name === name)
  const tabs = useRef<HTMLUListElement>(null)
  // There are more of them than a phone shows.
  useEffect(() => {
    tabs.current?.querySelector('[aria-current]')?.scrollIntoView({ inline: 'center', block: 'nearest' })
  }, [name])
  return (
    <div class="page fleet-page">
      <header class="page-head">
        <h1>Fleet</h1>
        <ul class="tabs counts" ref={tabs} aria-label="Parts of the fleet">
          {parts.map((each) => (
            <li key={each.name}>
              <a
                href={each.name === '' ? '/fleet' : `/fleet/${each.name}`}
                aria-current={each === part ? 'true' : undefined}
              >
                {each.title}
              </a>
            </li>
          ))}
        </ul>
      </header>
      {part ? (
        <part.component />
      ) : (
        <Empty title="There is no such part of the fleet">
          <a href="/fleet">Overview</a>
        </Empty>
      )}
    </div>
  )
}
