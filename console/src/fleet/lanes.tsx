// Stages with their lanes: who has each, how far behind it is, how fast it goes; pause and resume.
import { useRef, useState } from 'preact/hooks'
import { get, post } from '../api/client.ts'
import { useAction } from '../action.ts'
import { may } from '../api/session.ts'
import { now } from '../clock.ts'
import { Badge } from '../components/badge.tsx'
import { Dialog } from '../components/dialog.tsx'
import { Field } from '../components/fields.tsx'
import { Part } from '../components/part.tsx'
import { Sheet } from '../components/sheet.tsx'
import { Table, type Column } from '../components/table.tsx'
import { useDraft } from '../drafts.ts'
import { ago, count, exactTime } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line } from '../text.ts'
import { toast, toastError } from '../toast.ts'
import { AGAIN_MS, leaderlessIn, type Lane, type Pause } from './loading.ts'

interface Stage {
  readonly name: string
  readonly lanes: readonly Lane[]
  readonly pause: Pause | undefined
}

const stagesOf = (lanes: readonly Lane[], pauses: readonly Pause[]): Stage[] =>
  [...Map.groupBy(lanes, ({ stage }) => stage)].map(([name, own]) => ({
    name,
    lanes: own,
    pause: pauses.find(({ stage }) => stage === name) ?? pauses.find(({ stage }) => stage === null),
  }))

/** Null stands for the whole fleet. */
type Target = { readonly stage: string | null }

export function Lanes() {
  const [pausing, setPausing] = useState<Target | null>(null)
  const loaded = useLoaded(
    'lanes',
    async (signal) => {
      const [lanes, pauses] = await Promise.all([
        get('/v1/fleet/lanes', { signal }),
        get('/v1/fleet/pauses', { signal }),
      ])
      return { lanes, pauses, atMs: Date.now() }
    },
    AGAIN_MS,
  )
  const rateOf = useRates(loaded.value)
  const resume = async ({ stage }: Target): Promise<void> => {
    try {
      await post('/v1/fleet/pauses', { paused: false, ...(stage === null ? {} : { stage }) })
      toast(`Resumed: ${stage ?? 'the fleet'}`)
      loaded.again()
    } catch (error) {
      toastError(error)
    }
  }
  return (
    <div class="scroll stages" tabIndex={0} role="region" aria-label="Stages and lanes">
      <Part loaded={loaded} what="stages and lanes">
        {({ lanes, pauses }) => (
          <>
            <FleetPause pauses={pauses} onPause={setPausing} onResume={resume} />
            <Sheet
              label="Stages"
              rows={stagesOf(lanes, pauses)}
              keyOf={({ name }) => name}
              columns={[
                { title: 'Stage', cell: ({ name }) => <b>{line(name, 40)}</b> },
                { title: 'State', cell: (stage) => <StageState stage={stage} /> },
                { title: 'Lanes', cell: ({ lanes: own }) => <LaneCells lanes={own} /> },
                { title: 'Behind', isNumber: true, cell: ({ lanes: own }) => lagOf(own) },
                { title: 'Records/s', isNumber: true, cell: ({ name }) => rateOf(name) },
                {
                  title: '',
                  isNumber: true,
                  cell: ({ name, pause }) =>
                    may('ops:write') &&
                    (pause === undefined ? (
                      <button
                        class="quiet"
                        aria-label={`Pause ${name}`}
                        onClick={() => setPausing({ stage: name })}
                      >
                        Pause…
                      </button>
                    ) : (
                      pause.stage !== null && (
                        <button aria-label={`Resume ${name}`} onClick={() => void resume({ stage: name })}>
                          Resume
                        </button>
                      )
                    )),
                },
              ]}
            />
            <Table
              label="Lanes"
              kind="lanes-table"
              columns={laneColumns}
              rows={lanes}
              keyOf={({ stage, lane }) => `${stage}.${lane}`}
              rowHeight={32}
              narrowHeight={54}
            />
          </>
        )}
      </Part>
      {pausing !== null && (
        <PauseDialog target={pausing} onClose={() => setPausing(null)} onDone={loaded.again} />
      )}
    </div>
  )
}

/** With a plus where partitions are not in it, because no broker leads them. */
const lagOf = (lanes: readonly Lane[]): string =>
  `${count(lanes.reduce((sum, { lag }) => sum + lag, 0))}${leaderlessIn(lanes).length === 0 ? '' : '+'}`

function StageState({ stage: { lanes, pause } }: { readonly stage: Stage }) {
  if (pause !== undefined)
    return (
      <>
        <Badge tone="wait">paused</Badge>{' '}
        <span class="muted" title={exactTime(pause.sinceMs)}>
          {ago(pause.sinceMs, now.value)}
          {pause.by === null ? '' : ` by ${line(pause.by, 40)}`}
          {pause.reason === null ? '' : `: ${line(pause.reason, 80)}`}
        </span>
      </>
    )
  const leaderless = leaderlessIn(lanes)
  if (leaderless.length > 0)
    return (
      <>
        <Badge tone="bad">waits for a leader</Badge>
        <p class="muted state-more">no broker leads {line(leaderless.join(', '), 120)}</p>
      </>
    )
  const unowned = lanes.filter(({ owner }) => owner === null).length
  if (unowned > 0) return <Badge tone="bad">{`${unowned} lanes without an owner`}</Badge>
  return <Badge tone="good">runs</Badge>
}

/** Lag from which on a lane is far behind. */
const FAR = 100

function LaneCells({ lanes }: { readonly lanes: readonly Lane[] }) {
  const behind = lanes.filter(({ lag }) => lag > 0).length
  return (
    <span class="lane-cells" role="img" aria-label={`${lanes.length} lanes, ${behind} with a lag`}>
      {lanes.map((each) => (
        <span
          key={each.lane}
          class={`lane-cell ${lookOf(each)}`}
          title={`lane ${each.lane}: ${lagOf([each])} behind, ${line(each.owner ?? 'no owner', 60)}`}
        />
      ))}
    </span>
  )
}

const lookOf = ({ owner, lag, leaderless }: Lane): string =>
  owner === null || leaderless !== undefined ? 'gone' : lag === 0 ? '' : lag < FAR ? 'some' : 'far'

const laneColumns: readonly Column<Lane>[] = [
  { name: 'stage', title: 'Stage', cell: ({ stage }) => line(stage, 40) },
  { name: 'lane', title: 'Lane', isNumber: true, cell: ({ lane }) => lane },
  { name: 'lag', title: 'Behind', isNumber: true, cell: (lane) => lagOf([lane]) },
  {
    name: 'owner',
    title: 'Owner',
    cell: ({ owner }) => (owner === null ? <Badge tone="bad">nobody</Badge> : <bdi>{line(owner, 80)}</bdi>),
  },
  {
    name: 'topics',
    title: 'Position of each topic',
    cell: ({ topics, leaderless }) => (
      <>
        {leaderless !== undefined && (
          <Badge tone="bad">{`no broker leads ${line(leaderless.join(', '), 120)}`}</Badge>
        )}{' '}
        <code class="muted">
          {topics.map(({ topic, position, next }) => `${topic} ${position}/${next}`).join('  ')}
        </code>
      </>
    ),
  },
]

/** Records that a stage finished each second, by the last two answers. */
function useRates(value: { readonly lanes: readonly Lane[]; readonly atMs: number } | null) {
  const kept = useRef<{ atMs: number; done: Map<string, number>; rates: Map<string, number> } | null>(null)
  if (value !== null && kept.current?.atMs !== value.atMs) {
    const done = new Map<string, number>()
    for (const { stage, topics } of value.lanes)
      for (const { position } of topics) done.set(stage, (done.get(stage) ?? 0) + position)
    const before = kept.current
    const seconds = before === null ? 0 : (value.atMs - before.atMs) / 1_000
    const rates = [...done].flatMap(([stage, sum]) => {
      const earlier = before?.done.get(stage)
      return earlier === undefined || seconds <= 0
        ? []
        : [[stage, Math.max(0, sum - earlier) / seconds] as const]
    })
    kept.current = { atMs: value.atMs, done, rates: new Map(rates) }
  }
  return (stage: string): string => {
    const rate = kept.current?.rates.get(stage)
    return rate === undefined ? '–' : rate < 10 ? rate.toFixed(1) : count(Math.round(rate))
  }
}

interface FleetPauseProps {
  readonly pauses: readonly Pause[]
  readonly onPause: (target: Target) => void
  readonly onResume: (target: Target) => Promise<void>
}

function FleetPause({ pauses, onPause, onResume }: FleetPauseProps) {
  if (!may('ops:write')) return null
  const isPaused = pauses.some(({ stage }) => stage === null)
  return (
    <div class="part-actions">
      {isPaused ? (
        <button onClick={() => void onResume({ stage: null })}>Resume the fleet</button>
      ) : (
        <button onClick={() => onPause({ stage: null })}>Pause the fleet…</button>
      )}
    </div>
  )
}

interface PauseDialogProps {
  readonly target: Target
  readonly onClose: () => void
  readonly onDone: () => void
}

function PauseDialog({ target: { stage }, onClose, onDone }: PauseDialogProps) {
  const { value: reason, set: setReason, clear } = useDraft(`Reason to pause ${stage ?? 'the fleet'}`, '')
  const { run: pause, isBusy } = useAction(async () => {
    await post('/v1/fleet/pauses', {
      paused: true,
      ...(stage === null ? {} : { stage }),
      ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
    })
    toast(`Paused: ${stage ?? 'the fleet'}`)
    clear()
    onDone()
    onClose()
  })
  const actions = (
    <>
      <button onClick={onClose}>Let it run</button>
      <button class="danger" disabled={isBusy} onClick={pause}>
        Pause {stage ?? 'the fleet'}
      </button>
    </>
  )
  return (
    <Dialog title={`Pause ${stage ?? 'the fleet'}?`} onClose={onClose} actions={actions}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          pause()
        }}
      >
        <p>
          It finishes what it has taken, and takes nothing new but cancels and decisions. Records wait in the
          log; deadlines of tasks go on.
        </p>
        <Field
          label="Reason"
          value={reason}
          onInput={setReason}
          hint="Shown beside the pause; not required"
        />
      </form>
    </Dialog>
  )
}
