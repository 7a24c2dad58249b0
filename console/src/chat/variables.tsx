// Python variables that a session keeps: how much, for whom, and until when. Their values are never shown.
import { get, type Got } from '../api/client.ts'
import { now } from '../clock.ts'
import { Badge } from '../components/badge.tsx'
import { Sheet } from '../components/sheet.tsx'
import { count, duration, exactTime } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line } from '../text.ts'

type Kept = NonNullable<Got<'/v1/sessions/:id'>['variables']>

/** The ledger learns of a turn some time after its answer is there. */
const AGAIN_MS = 5_000

/** Nothing, if nothing was ever kept: most agents keep none. */
export function KeptVariables({ session }: { readonly session: string }) {
  const loaded = useLoaded(
    `variables of ${session}`,
    (signal) => get('/v1/sessions/:id', { params: { id: session }, query: { limit: 1 }, signal }),
    AGAIN_MS,
  )
  const kept = loaded.value?.variables ?? null
  return kept === null ? null : <Variables kept={kept} isOld={loaded.error !== null} />
}

function Variables({ kept: { untilMs, owners }, isOld }: { readonly kept: Kept; readonly isOld: boolean }) {
  const steps = owners.reduce((sum, owner) => sum + owner.steps, 0)
  const chars = owners.reduce((sum, owner) => sum + owner.chars, 0)
  return (
    <details class="variables">
      <summary>
        Python variables:{' '}
        {steps === 0
          ? 'none are kept now'
          : `${steps} ${steps === 1 ? 'step' : 'steps'}, ${count(chars)} characters`}
        {isOld && <Badge tone="bad">Not up to date</Badge>}
      </summary>
      <p class="muted">
        What Python defined is defined again in the next task of the session, by replay of these steps; no
        tool is called again.{' '}
        {steps > 0 && (
          <>
            Kept until <time>{exactTime(untilMs)}</time>
            {untilMs < now.value ? ', which is over' : ', if no message comes before'}.
          </>
        )}
      </p>
      <Sheet
        label="Kept variables"
        rows={owners}
        keyOf={({ agent, executor }) => `${executor}/${agent}`}
        columns={[
          { title: 'Agent', cell: ({ agent }) => <bdi>{line(agent, 40)}</bdi> },
          { title: 'Executor', cell: ({ executor }) => line(executor, 40) },
          { title: 'Steps', isNumber: true, cell: (owner) => count(owner.steps) },
          { title: 'Characters', isNumber: true, cell: (owner) => count(owner.chars) },
          { title: 'Computes for', isNumber: true, cell: ({ computeMs }) => duration(computeMs) },
          {
            title: 'State',
            isWide: true,
            cell: ({ gone, steps: own }) =>
              gone === undefined ? (
                <Badge tone={own > 0 ? 'good' : 'idle'}>{own > 0 ? 'kept' : 'nothing to keep'}</Badge>
              ) : (
                <>
                  <Badge tone="wait">gone</Badge> <bdi>{line(gone, 200)}</bdi>
                </>
              ),
          },
        ]}
      />
    </details>
  )
}
