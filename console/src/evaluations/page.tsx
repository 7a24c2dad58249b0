// Runs of evaluations: the list, and what leads to one of them.
import { Badge, type Tone } from '../components/badge.tsx'
import { Part } from '../components/part.tsx'
import { Empty } from '../components/states.tsx'
import { Table, type Column } from '../components/table.tsx'
import { cost, count, exactTime, moment } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line } from '../text.ts'
import { runs, summaryOf, withInterval, type Run } from './runs.ts'

const AGAIN_MS = 10_000

const tones: Readonly<Record<Run['status'], Tone>> = { running: 'busy', completed: 'good', stopped: 'wait' }

export const RunState = ({ status }: Pick<Run, 'status'>) => <Badge tone={tones[status]}>{status}</Badge>

/** The best model by its score, and what all of them cost. */
function best(run: Run): { readonly score: string; readonly cost: number } {
  const models = summaryOf(run)
  const first = models.toSorted((a, b) => (b.score?.mean ?? 0) - (a.score?.mean ?? 0))[0]
  return {
    score: withInterval(first?.score ?? null),
    cost: models.reduce((sum, model) => sum + model.cost, 0),
  }
}

const columns: readonly Column<Run>[] = [
  {
    name: 'run',
    title: 'Run',
    cell: ({ id }) => <a href={`/evaluations/${encodeURIComponent(id)}`}>{line(id, 64)}</a>,
  },
  { name: 'state', title: 'State', cell: ({ status }) => <RunState status={status} /> },
  { name: 'dataset', title: 'Data set', cell: ({ name }) => <bdi>{line(name, 60)}</bdi> },
  { name: 'models', title: 'Models', cell: ({ models }) => <bdi>{line(models.join(', '), 80)}</bdi> },
  {
    name: 'cases',
    title: 'Cases',
    cell: ({ cases, epochs }) => (epochs === 1 ? count(cases) : `${count(cases)} × ${epochs}`),
    isNumber: true,
  },
  { name: 'score', title: 'Best score', cell: (run) => best(run).score, isNumber: true },
  { name: 'cost', title: 'Cost', cell: (run) => cost(best(run).cost), isNumber: true },
  {
    name: 'began',
    title: 'Began',
    cell: ({ startedAtMs }) => <time title={exactTime(startedAtMs)}>{moment(startedAtMs)}</time>,
    isNumber: true,
  },
]

export function EvaluationsPage() {
  const loaded = useLoaded('runs', runs, AGAIN_MS)
  return (
    <div class="page evaluations-page">
      <header class="page-head">
        <h1>Evaluations</h1>
      </header>
      <Part loaded={loaded} what="runs">
        {(rows) =>
          rows.length === 0 ? (
            <Empty title="No evaluation has run">
              <p>
                <code>npx flotilla eval examples/evaluation/demo.jsonl</code> runs a data set through this
                fleet; an ended task becomes a case by Promote on its page.
              </p>
            </Empty>
          ) : (
            <Table label="Runs" kind="runs-table" columns={columns} rows={rows} keyOf={({ id }) => id} />
          )
        }
      </Part>
    </div>
  )
}
