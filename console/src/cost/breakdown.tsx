// A line for each model, agent, user or tool.
import { Sheet, type SheetColumn } from '../components/sheet.tsx'
import { cost, count, duration } from '../format.ts'
import { line } from '../text.ts'
import { share } from './figures.tsx'
import type { View } from './page.tsx'
import type { Group, UsageLine } from './usage.ts'

type Column = SheetColumn<UsageLine>

const number = (title: string, cell: (line: UsageLine) => string): Column => ({ title, cell, isNumber: true })

const money: readonly Column[] = [
  number('Cost', (each) => cost(each.cost)),
  number('Each', (each) => cost(each.cost / each.executions)),
  number('Input tokens', (each) => count(each.inputTokens)),
  number('Output tokens', (each) => count(each.outputTokens)),
]
const quality: readonly Column[] = [
  number('Success', (each) => share(each.successRate)),
  number('Mean', (each) => duration(each.meanMs)),
  number('Median', (each) => (each.p50Ms === undefined ? '–' : duration(each.p50Ms))),
  number('95th percentile', (each) => (each.p95Ms === undefined ? '–' : duration(each.p95Ms))),
]
const scores: readonly Column[] = [
  number('Satisfaction', (each) => share(each.satisfaction)),
  number('Quality score', (each) => share(each.quality)),
  number('Rejected', (each) => count(each.rejected)),
]
const cached: readonly Column[] = [
  number('Cache hits', (each) => share((each.cached ?? 0) / each.executions)),
]

interface BreakdownProps {
  readonly lines: readonly UsageLine[]
  readonly by: Group
  readonly view: View
}

export function Breakdown({ lines, by, view }: BreakdownProps) {
  const isOfCalls = by === 'model' || by === 'tool'
  const columns: Column[] = [
    {
      title: by.replace(/^./, (first) => first.toUpperCase()),
      isWide: true,
      cell: ({ group }) =>
        group === null ? (
          <span class="muted">none</span>
        ) : by === 'tool' ? (
          <bdi>{line(group, 80)}</bdi>
        ) : (
          <a href={`/tasks?${by}=${encodeURIComponent(group)}`}>
            <bdi>{line(group, 80)}</bdi>
          </a>
        ),
    },
    number(isOfCalls ? 'Calls' : 'Tasks', (each) => count(each.executions)),
    ...(view === 'cost' ? money : quality),
    ...(isOfCalls ? cached : view === 'quality' ? scores : []),
  ]
  return <Sheet label={`By ${by}`} rows={lines} keyOf={({ group }) => group ?? ''} columns={columns} />
}
