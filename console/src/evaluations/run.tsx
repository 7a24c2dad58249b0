// One run: its models, its cases, and against an earlier run what got better and worse.
import { useState } from 'preact/hooks'
import { get, pathWith } from '../api/client.ts'
import { Badge } from '../components/badge.tsx'
import { DetailHead } from '../components/detail-head.tsx'
import { Choice } from '../components/fields.tsx'
import { Part } from '../components/part.tsx'
import { Sheet, type SheetColumn } from '../components/sheet.tsx'
import { Table, type Column } from '../components/table.tsx'
import { download } from '../download.ts'
import { cost, count, duration, exactTime, figure } from '../format.ts'
import { useLoaded } from '../load.ts'
import type { PageProps } from '../pages.ts'
import { navigate, place, withQuery } from '../router.ts'
import { line } from '../text.ts'
import { toastError } from '../toast.ts'
import { Compared } from './compared.tsx'
import { RunState } from './page.tsx'
import {
  casesOf,
  MOST_CASES,
  runs,
  summaryOf,
  withInterval,
  type Case,
  type ModelSummary,
  type Run,
} from './runs.ts'

const AGAIN_MS = 10_000

const allRuns = { href: '/evaluations', label: 'All runs' }

export function RunPage({ params: { id = '' } }: PageProps) {
  const run = useLoaded(id, (signal) => get('/v1/evaluations/:id', { params: { id }, signal }), AGAIN_MS)
  const save = (): void => {
    const path = pathWith('/v1/evaluations/:id/export', { id }, { format: 'csv' })
    download(path, `${id}.csv`).catch(toastError)
  }
  return (
    <div class="page run-page">
      <DetailHead
        back={allRuns}
        name={id}
        what="id of the run"
        state={run.value === null ? undefined : <RunState status={run.value.status} />}
      >
        <button onClick={save}>Cases CSV</button>
      </DetailHead>
      <Part loaded={run} what="the run">
        {(found) => <Shown run={found} />}
      </Part>
    </div>
  )
}

const summaryColumns: readonly SheetColumn<ModelSummary>[] = [
  { title: 'Model', cell: ({ model }) => line(model, 60), isWide: true },
  { title: 'Score', cell: ({ score }) => withInterval(score), isNumber: true },
  { title: 'Passed', cell: ({ passed }) => withInterval(passed), isNumber: true },
  { title: 'Scored', cell: ({ scored }) => count(scored), isNumber: true },
  { title: 'Without a score', cell: ({ unscored }) => count(unscored), isNumber: true },
  { title: 'Cost', cell: (model) => cost(model.cost), isNumber: true },
  { title: '95th percentile', cell: ({ p95Ms }) => duration(p95Ms), isNumber: true },
]

function Shown({ run }: { readonly run: Run }) {
  const before = place.value.query.get('with')
  const summary = summaryOf(run)
  return (
    <>
      <p class="muted">
        {line(run.dataset, 200)} · {count(run.cases)} cases, {run.epochs}{' '}
        {run.epochs === 1 ? 'epoch' : 'epochs'} · agent {line(run.agent ?? 'as the cases say', 60)} ·{' '}
        {exactTime(run.startedAtMs)}
      </p>
      {summary.length > 0 && (
        <Sheet label="Models" rows={summary} keyOf={({ model }) => model} columns={summaryColumns} />
      )}
      {run.status !== 'completed' && (
        <p class="notice">
          Not every case has a score yet. <code>flotilla eval resume {line(run.id, 64)}</code> does what is
          left.
        </p>
      )}
      <Against run={run} before={before} />
      {before === null ? <Cases id={run.id} status={run.status} /> : <Compared id={run.id} before={before} />}
    </>
  )
}

/** Earlier runs of the same data set first. */
function Against({ run, before }: { readonly run: Run; readonly before: string | null }) {
  const loaded = useLoaded('runs', runs)
  const others = (loaded.value ?? []).filter(({ id }) => id !== run.id)
  if (others.length === 0) return null
  const isSame = (other: Run): number => Number(other.name !== run.name)
  const options = others
    .toSorted((a, b) => isSame(a) - isSame(b))
    .map((other) => ({ value: other.id, label: `${other.id} · ${line(other.name, 40)}` }))
  return (
    <div class="against">
      <Choice
        label="Compare with"
        value={before ?? ''}
        options={[{ value: '', label: 'no other run' }, ...options]}
        onChange={(id) => navigate(withQuery({ with: id === '' ? null : id }), { replace: true })}
      />
    </div>
  )
}

const caseColumns: readonly Column<Case>[] = [
  {
    name: 'case',
    title: 'Case',
    cell: ({ caseId, taskId }) => (
      <a href={`/tasks/${encodeURIComponent(taskId)}`}>
        <bdi>{line(caseId, 60)}</bdi>
      </a>
    ),
  },
  {
    name: 'passed',
    title: 'Passed',
    cell: ({ passed, score }) => (
      <Badge tone={passed ? 'good' : score === null ? 'wait' : 'bad'}>
        {passed ? 'passed' : score === null ? 'no score' : 'failed'}
      </Badge>
    ),
  },
  {
    name: 'score',
    title: 'Score',
    cell: ({ score }) => figure(score),
    isNumber: true,
  },
  {
    name: 'why',
    title: 'Why not more',
    cell: ({ problem, scores, input }) => (
      <bdi class="muted">
        {line(
          problem ?? scores.find(({ score, reason }) => score < 1 && reason !== null)?.reason ?? input,
          140,
        )}
      </bdi>
    ),
  },
  {
    name: 'model',
    title: 'Model, epoch',
    cell: ({ model, epoch }) => `${line(model, 40)} ${epoch}`,
  },
  { name: 'cost', title: 'Cost', cell: (each) => cost(each.cost), isNumber: true },
  { name: 'time', title: 'Time', cell: ({ latencyMs }) => duration(latencyMs), isNumber: true },
]

const keyOf = ({ caseId, model, epoch }: Case): string => JSON.stringify([caseId, model, epoch])

function Cases({ id, status }: { readonly id: string; readonly status: string }) {
  const [isFailed, setFailed] = useState(false)
  const everyMs = status === 'running' ? AGAIN_MS : undefined
  const loaded = useLoaded(`${id} ${status}`, (signal) => casesOf(id, signal), everyMs)
  return (
    <Part loaded={loaded} what="cases">
      {({ cases, isCut }) => {
        const failed = cases.filter(({ passed }) => !passed)
        const rows = isFailed ? failed : cases
        return (
          <>
            <div class="filter-bar">
              <button aria-pressed={!isFailed} onClick={() => setFailed(false)}>
                All {count(cases.length)}
              </button>
              <button aria-pressed={isFailed} onClick={() => setFailed(true)}>
                Not passed {count(failed.length)}
              </button>
              {isCut && <span class="muted">Only {count(MOST_CASES)} are shown; the CSV has all.</span>}
            </div>
            <Table label="Cases" kind="cases-table" columns={caseColumns} rows={rows} keyOf={keyOf} />
          </>
        )
      }}
    </Part>
  )
}
