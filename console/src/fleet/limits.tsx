// Today's token budgets, the fullest first.
import { get, post } from '../api/client.ts'
import { may } from '../api/session.ts'
import { Part } from '../components/part.tsx'
import { Sheet } from '../components/sheet.tsx'
import { Empty } from '../components/states.tsx'
import { count, exactTime, moment } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line } from '../text.ts'
import { toast, toastError } from '../toast.ts'
import { AGAIN_MS, type Budget } from './loading.ts'

const NEAR = 0.8

export function Limits() {
  const loaded = useLoaded('limits', (signal) => get('/v1/limits', { signal }), AGAIN_MS)
  const rebuild = async (): Promise<void> => {
    try {
      const changed = await post('/v1/limits/rebuild', {})
      toast(
        changed.length === 0 ? 'Every budget was right' : `${count(changed.length)} budgets were set right`,
      )
      loaded.again()
    } catch (error) {
      toastError(error)
    }
  }
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Limits">
      <Part loaded={loaded} what="limits">
        {(budgets) =>
          budgets.length === 0 ? (
            <Empty title="No tokens were counted today">
              <p>
                A budget appears here with the first call of a model: the fleet’s, one for each model and one
                for each user. <code>limits.budgets</code> of <code>flotilla.config.ts</code> sets how many
                tokens each has for a day.
              </p>
            </Empty>
          ) : (
            <>
              <Sheet
                label="Budgets"
                rows={budgets}
                keyOf={({ budget }) => budget}
                columns={[
                  {
                    title: 'Budget',
                    isWide: true,
                    cell: ({ budget }) => (
                      <code>
                        <bdi>{line(budget, 80)}</bdi>
                      </code>
                    ),
                  },
                  { title: 'Filled', cell: (budget) => <Gauge budget={budget} /> },
                  { title: 'Used', isNumber: true, cell: ({ used }) => `${count(used)} tokens` },
                  { title: 'Reserved', isNumber: true, cell: ({ reserved }) => count(reserved) },
                  {
                    title: 'Limit',
                    isNumber: true,
                    cell: ({ limit }) => (limit === null ? 'none' : count(limit)),
                  },
                  { title: 'In the ledger', isNumber: true, cell: ({ recorded }) => count(recorded) },
                  {
                    title: 'Starts again',
                    isNumber: true,
                    cell: ({ resetsAtMs }) => <time title={exactTime(resetsAtMs)}>{moment(resetsAtMs)}</time>,
                  },
                ]}
              />
              {may('ops:write') && (
                <div class="part-actions">
                  <button onClick={() => void rebuild()}>Set budgets to the ledger</button>
                  <p class="muted">For counters that were lost or restored: running calls stay reserved.</p>
                </div>
              )}
            </>
          )
        }
      </Part>
    </div>
  )
}

function Gauge({ budget: { used, reserved, limit } }: { readonly budget: Budget }) {
  if (limit === null) return <span class="muted">no limit</span>
  const share = limit === 0 ? 1 : Math.min(1, (used + reserved) / limit)
  const tone = share >= 1 ? 'bad' : share >= NEAR ? 'wait' : ''
  return (
    <span class={`gauge ${tone}`}>
      <meter class="unseen" aria-label="Filled" min={0} max={1} value={share} />
      <span class="gauge-bar" aria-hidden="true">
        <span style={{ width: `${Math.round(share * 100)}%` }} />
      </span>
      <span aria-hidden="true">{Math.round(share * 100)} %</span>
    </span>
  )
}
