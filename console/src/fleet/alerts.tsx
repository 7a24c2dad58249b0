// Alert rules with their state; silences, and a test of the channels.
import { useState } from 'preact/hooks'
import { useAction } from '../action.ts'
import { get, post } from '../api/client.ts'
import { may } from '../api/session.ts'
import { fleetMs, now } from '../clock.ts'
import { Badge } from '../components/badge.tsx'
import { Dialog } from '../components/dialog.tsx'
import { Choice, Field } from '../components/fields.tsx'
import { Part } from '../components/part.tsx'
import { Sheet } from '../components/sheet.tsx'
import { Empty } from '../components/states.tsx'
import { useDraft } from '../drafts.ts'
import { ago, count, exactTime, moment, period } from '../format.ts'
import { useLoaded } from '../load.ts'
import { line } from '../text.ts'
import { toast, toastError } from '../toast.ts'
import { AGAIN_MS, type Alert } from './loading.ts'

export function Alerts() {
  const [silencing, setSilencing] = useState<string | null>(null)
  const loaded = useLoaded('alerts', (signal) => get('/v1/alerts', { signal }), AGAIN_MS)
  const endSilence = async (rule: string): Promise<void> => {
    try {
      await post('/v1/alerts/:rule/silence', { untilMs: 0 }, { params: { rule } })
      toast(`${rule} notifies again`)
      loaded.again()
    } catch (error) {
      toastError(error)
    }
  }
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Alerts">
      <Part loaded={loaded} what="alert rules">
        {(alerts) =>
          alerts.length === 0 ? (
            <Empty title="No alert rule is configured">
              <p>Rules are in flotilla.config.ts, under alerts.rules.</p>
            </Empty>
          ) : (
            <Sheet
              label="Alert rules"
              rows={alerts.toSorted((a, b) => Number(b.state === 'firing') - Number(a.state === 'firing'))}
              keyOf={({ rule }) => rule}
              columns={[
                { title: 'Rule', cell: ({ rule }) => <b>{line(rule, 60)}</b> },
                { title: 'State', cell: (alert) => <AlertState alert={alert} /> },
                { title: 'Fires at', isWide: true, cell: ({ condition }) => conditionOf(condition) },
                { title: 'Message', isWide: true, cell: ({ message }) => line(message ?? '–', 400) },
                { title: 'Channels', cell: (alert) => <Channels alert={alert} /> },
                {
                  title: '',
                  isNumber: true,
                  cell: ({ rule, silence }) =>
                    may('ops:write') && (
                      <span class="row-actions">
                        <TestButton rule={rule} />
                        {silence === null ? (
                          <button
                            class="quiet"
                            aria-label={`Silence ${rule}`}
                            onClick={() => setSilencing(rule)}
                          >
                            Silence…
                          </button>
                        ) : (
                          <button
                            aria-label={`End the silence of ${rule}`}
                            onClick={() => void endSilence(rule)}
                          >
                            End silence
                          </button>
                        )}
                      </span>
                    ),
                },
              ]}
            />
          )
        }
      </Part>
      {silencing !== null && (
        <SilenceDialog rule={silencing} onClose={() => setSilencing(null)} onDone={loaded.again} />
      )}
    </div>
  )
}

function AlertState({ alert: { state, severity, sinceMs, silence } }: { readonly alert: Alert }) {
  return (
    <>
      {state === 'firing' ? (
        <>
          <Badge tone="bad">{`firing, ${line(severity, 20)}`}</Badge>{' '}
          {sinceMs !== null && <time title={exactTime(sinceMs)}>{ago(sinceMs, now.value)}</time>}
        </>
      ) : (
        <Badge tone="good">quiet</Badge>
      )}
      {silence !== null && (
        <p class="muted">
          silent until {moment(silence.untilMs)}
          {silence.by === null ? '' : ` by ${line(silence.by, 40)}`}
          {silence.reason === null ? '' : `: ${line(silence.reason, 80)}`}
        </p>
      )}
    </>
  )
}

const moreThan = (threshold: number): string => (threshold === 0 ? 'any' : `more than ${count(threshold)}`)

const measures: Readonly<Record<Alert['condition']['measure'], (threshold: number) => string>> = {
  error_rate: (threshold) => `more than ${Math.round(threshold * 1_000) / 10} % of tasks fail`,
  latency_p95_ms: (threshold) => `95th percentile above ${period(threshold)}`,
  tokens: (threshold) => `more than ${count(threshold)} tokens`,
  errors_matching: (threshold) => `${moreThan(threshold)} errors`,
  budgets_near_limit: (threshold) => `${moreThan(threshold)} budgets near their limit`,
  mcp_tools_changed: (threshold) => `${moreThan(threshold)} pinned tools of MCP servers changed`,
  quality_mean: (threshold) => `mean quality score below ${threshold}`,
  satisfaction_mean: (threshold) => `mean rating below ${threshold}`,
}

function conditionOf({ measure, threshold, windowMs, pattern }: Alert['condition']) {
  return (
    <>
      {measures[measure](threshold)}
      {pattern !== null && (
        <>
          {' '}
          matching <code>{line(pattern, 60)}</code>
        </>
      )}{' '}
      <span class="muted">in {period(windowMs)}</span>
    </>
  )
}

function Channels({ alert: { channels, missingChannels = [] } }: { readonly alert: Alert }) {
  return (
    <>
      {line(channels.join(', '), 80)}
      {missingChannels.length > 0 && <p class="bad">not defined: {line(missingChannels.join(', '), 80)}</p>}
    </>
  )
}

function TestButton({ rule }: { readonly rule: string }) {
  const [isBusy, setBusy] = useState(false)
  const test = async (): Promise<void> => {
    setBusy(true)
    try {
      const answers = await post('/v1/alerts/:rule/test', {}, { params: { rule } })
      const failed = answers.filter(({ status }) => status !== 'delivered')
      const said = (failed.length > 0 ? failed : answers).map(
        ({ channel, status, answer }) => `${channel} ${status}${answer === '' ? '' : `: ${answer}`}`,
      )
      toast(said.join('; '), { isError: failed.length > 0 })
    } catch (error) {
      toastError(error)
    }
    setBusy(false)
  }
  return (
    <button class="quiet" disabled={isBusy} aria-label={`Test ${rule}`} onClick={() => void test()}>
      Test
    </button>
  )
}

const HOUR_MS = 3_600_000
const spans = [
  { value: String(HOUR_MS), label: '1 hour' },
  { value: String(4 * HOUR_MS), label: '4 hours' },
  { value: String(24 * HOUR_MS), label: '1 day' },
  { value: String(7 * 24 * HOUR_MS), label: '7 days' },
]

interface SilenceProps {
  readonly rule: string
  readonly onClose: () => void
  readonly onDone: () => void
}

function SilenceDialog({ rule, onClose, onDone }: SilenceProps) {
  const [span, setSpan] = useState(spans[0]?.value ?? '')
  const { value: reason, set: setReason, clear } = useDraft(`Reason to silence ${rule}`, '')
  const { run: silence, isBusy } = useAction(async () => {
    const untilMs = fleetMs() + Number(span)
    const why = reason.trim() === '' ? {} : { reason: reason.trim() }
    await post('/v1/alerts/:rule/silence', { untilMs, ...why }, { params: { rule } })
    toast(`${rule} is silent until ${moment(untilMs)}`)
    clear()
    onDone()
    onClose()
  })
  const actions = (
    <button class="primary" disabled={isBusy} onClick={silence}>
      Silence
    </button>
  )
  return (
    <Dialog title={`Silence ${line(rule, 60)}`} onClose={onClose} actions={actions}>
      <p>Its channels are not notified meanwhile. The rule is still watched, and its state shown.</p>
      <Choice label="For" value={span} options={spans} onChange={setSpan} />
      <Field label="Reason" value={reason} onInput={setReason} hint="Not required" />
    </Dialog>
  )
}
