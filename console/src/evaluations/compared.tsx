// A run against an earlier one: measures with a paired test, and the cases that changed.
import { get } from '../api/client.ts'
import { Part } from '../components/part.tsx'
import { Sheet, type SheetColumn } from '../components/sheet.tsx'
import { cost, count, duration, figure } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line } from '../text.ts'
import type { RunComparison } from './runs.ts'

export function Compared({ id, before }: { readonly id: string; readonly before: string }) {
  const loaded = useLoaded(`${id} ${before}`, (signal) =>
    get('/v1/evaluations/:id/compare/:before', { params: { id, before }, signal }),
  )
  return (
    <Part loaded={loaded} what="the comparison">
      {(compared) => (
        <div class="scroll" tabIndex={0} role="region" aria-label="Comparison">
          {compared.map((each) => (
            <One key={each.after} compared={each} />
          ))}
        </div>
      )}
    </Part>
  )
}

type Measure = RunComparison['measures'][number]

const signed = (value: number): string => `${value > 0 ? '+' : ''}${figure(value)}`
const chance = (p: number): string => (p < 0.001 ? '< 0.001' : figure(p, 3))

const measures: readonly SheetColumn<Measure>[] = [
  { title: 'Measure', cell: ({ measure }) => line(measure, 60), isWide: true },
  { title: 'Before', cell: ({ before }) => figure(before), isNumber: true },
  { title: 'After', cell: ({ after }) => figure(after), isNumber: true },
  { title: 'Difference', cell: ({ difference }) => signed(difference), isNumber: true },
  { title: 'p', cell: ({ p }) => chance(p), isNumber: true },
  { title: 'Cases', cell: ({ pairs }) => count(pairs), isNumber: true },
]

type Change = RunComparison['better'][number]

const changes: readonly SheetColumn<Change>[] = [
  { title: 'Case', cell: ({ caseId }) => line(caseId, 60) },
  { title: 'Asked', cell: ({ input }) => <bdi>{line(input, 120)}</bdi>, isWide: true },
  { title: 'Before', cell: ({ before }) => figure(before), isNumber: true },
  { title: 'After', cell: ({ after }) => figure(after), isNumber: true },
]

function One({ compared }: { readonly compared: RunComparison }) {
  const { before, after, better, worse, changed, onlyBefore, onlyAfter } = compared
  return (
    <section class="block">
      <h2>
        <bdi>{line(after, 100)}</bdi> against <bdi>{line(before, 100)}</bdi>
      </h2>
      <Sheet
        label={`Measures: ${after}`}
        rows={compared.measures}
        keyOf={({ measure }) => measure}
        columns={measures}
      />
      <p class="muted">
        A case cost {cost(compared.cost.before)} before, {cost(compared.cost.after)} after; it took{' '}
        {duration(compared.latencyMs.before)} and {duration(compared.latencyMs.after)}. p: how often chance
        alone gives such a difference.
        {changed.length > 0 && ` ${count(changed.length)} cases were changed meanwhile and are left out.`}
        {onlyBefore.length + onlyAfter.length > 0 &&
          ` ${count(onlyBefore.length + onlyAfter.length)} are in one run alone.`}
      </p>
      <Changes title="Worse" rows={worse} after={after} />
      <Changes title="Better" rows={better} after={after} />
    </section>
  )
}

function Changes({
  title,
  rows,
  after,
}: {
  readonly title: string
  readonly rows: readonly Change[]
  readonly after: string
}) {
  if (rows.length === 0) return <p>{title}: no case.</p>
  return (
    <>
      <h3>
        {title} {count(rows.length)}
      </h3>
      <Sheet label={`${title}: ${after}`} rows={rows} keyOf={({ caseId }) => caseId} columns={changes} />
    </>
  )
}
