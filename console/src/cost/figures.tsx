// The sums of the time that is shown.
import { cost, count, duration, figure } from '../format.ts'
import type { View } from './page.tsx'
import type { Usage } from './usage.ts'

export const share = (value: number | null): string => (value === null ? '–' : `${figure(value * 100, 1)} %`)

export function Figures({ usage: { total, lines }, view }: { readonly usage: Usage; readonly view: View }) {
  const cached = lines.reduce((sum, line) => sum + (line.cached ?? 0), 0)
  const calls = lines.reduce((sum, line) => sum + line.executions, 0)
  const hasCalls = lines.some((line) => line.cached !== undefined)
  const money: readonly (readonly [string, string])[] = [
    ['Cost', cost(total?.cost ?? 0)],
    ['Cost of a task', total === null ? '–' : cost(total.cost / total.executions)],
    ['Input tokens', count(total?.inputTokens ?? 0)],
    ['Output tokens', count(total?.outputTokens ?? 0)],
  ]
  const quality: readonly (readonly [string, string])[] = [
    ['Success', share(total?.successRate ?? null)],
    ['Median duration', total?.p50Ms === undefined ? '–' : duration(total.p50Ms)],
    ['95th percentile', total?.p95Ms === undefined ? '–' : duration(total.p95Ms)],
    ['Satisfaction', share(total?.satisfaction ?? null)],
    ['Quality score', share(total?.quality ?? null)],
  ]
  const shown = [
    ['Tasks', count(total?.executions ?? 0)] as const,
    ...(view === 'cost' ? money : quality),
    ['Rejected', count(total?.rejected ?? 0)] as const,
    ...(hasCalls ? [['Cache hits', share(calls === 0 ? null : cached / calls)] as const] : []),
  ]
  return (
    <dl class="big-figures">
      {shown.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
