// One step in full: what the model wrote, the Python and what it printed, each call with arguments and result.
import { Badge, type Tone } from '../components/badge.tsx'
import { LongText, Python } from '../components/long-text.tsx'
import { count, cost, duration, exactTime, time } from '../format.ts'
import { line, shown, visible, withoutCode } from '../text.ts'
import type { Call, Code, Mark, Span, Step } from './steps.ts'

const names = {
  queue: 'queue',
  model: 'model',
  python: 'Python',
  tool: 'tools',
  person: 'a person',
  limit: 'a limit',
  breaker: 'a breaker',
  retry: 'retries',
  away: 'crash or restart',
} as const

export function StepDetail({ step }: { readonly step: Step; readonly version: number }) {
  const { code, calls, marks, observation, isAnswered, model, kind } = step
  const text = code === null ? step.text : withoutCode(step.text)
  return (
    <div class="step-detail">
      <p class="step-facts muted">
        <time title={exactTime(step.startedMs)}>{time(step.startedMs)}</time>
        {model !== null && <> · {line(model, 60)}</>}
        {step.inputTokens > 0 && (
          <>
            {' '}
            · {count(step.inputTokens)} in, {count(step.outputTokens)} out · {cost(step.cost)}
          </>
        )}
        {timesOf(step.spans).map(([name, ms]) => (
          <span key={name}>
            {' '}
            · {name} {duration(ms)}
          </span>
        ))}
        {' · '}
        <a href={`?step=${step.number}`}>Link to this step</a>
      </p>
      {marks.map((mark, index) => (
        <MarkLine key={index} mark={mark} />
      ))}
      {text !== '' && (
        <section aria-live={isAnswered ? undefined : 'off'}>
          <h3>{isAnswered ? (kind === 'answer' ? 'Answer' : 'Model') : 'Model, writing'}</h3>
          <div class={isAnswered ? '' : 'streaming'}>
            <LongText text={text} label={`Text of step ${step.number}`} isProse />
          </div>
        </section>
      )}
      {code !== null && <CodeBlock code={code} number={step.number} />}
      {calls.map((call) => (
        <CallBlock key={call.callId} call={call} />
      ))}
      {observation !== null && observation !== '' && (
        <details>
          <summary>What the model was told</summary>
          <LongText text={observation} label={`Observation of step ${step.number}`} />
        </details>
      )}
    </div>
  )
}

/** Each kind of time that the step took, in all. */
function timesOf(spans: readonly Span[]): [string, number][] {
  const sums = new Map<string, number>()
  for (const { kind, fromMs, toMs } of spans)
    if (toMs !== null) sums.set(names[kind], (sums.get(names[kind]) ?? 0) + toMs - fromMs)
  return [...sums]
}

const markWords = {
  retry: 'Retry',
  limit: 'At a limit',
  breaker: 'Breaker open',
  model: 'Other model',
  resumed: 'Resumed',
  person: 'Decision',
} as const

function MarkLine({ mark: { kind, text, atMs, dueMs } }: { readonly mark: Mark }) {
  return (
    <p class="mark">
      <Badge tone="wait">{markWords[kind]}</Badge> <bdi>{visible(text)}</bdi>
      <span class="muted">
        {' '}
        {time(atMs)}
        {dueMs !== null && `, goes on at ${time(dueMs)}`}
      </span>
    </p>
  )
}

const tones: Readonly<Record<string, Tone>> = {
  running: 'busy',
  person: 'wait',
  succeeded: 'good',
  finished: 'good',
  failed: 'bad',
  unknown: 'wait',
  cancelled: 'idle',
}
const toneOf = (status: string): Tone => tones[status] ?? 'idle'

function CodeBlock({ code, number }: { readonly code: Code; readonly number: number }) {
  return (
    <section>
      <h3>
        Python <Badge tone={toneOf(code.status)}>{code.status}</Badge>
        {code.durationMs !== null && <span class="muted"> {duration(code.durationMs)}</span>}
      </h3>
      <Python code={code.text} label={`Python of step ${number}`} />
      {code.prints !== '' && (
        <>
          <h4>Printed</h4>
          <LongText text={code.prints} label={`Printed by step ${number}`} />
        </>
      )}
      {code.message !== null && <Problem code={code.code} message={code.message} />}
    </section>
  )
}

function CallBlock({ call }: { readonly call: Call }) {
  const { tool, status, isCached, isByPython, durationMs, requestedMs, endedMs, child } = call
  const waitedMs =
    endedMs !== null && requestedMs !== null && durationMs !== null ? endedMs - requestedMs - durationMs : 0
  return (
    <section class="call">
      <h3>
        <code>{line(tool, 80)}</code>{' '}
        <Badge tone={toneOf(status)}>
          {status === 'person' ? 'waits for a person' : status === 'unknown' ? 'in doubt' : status}
        </Badge>
        {isCached && <span class="tag">cached</span>}
        {isByPython && <span class="tag">called by Python, which paused</span>}
        {child !== null && (
          <>
            {' '}
            <a href={`/tasks/${encodeURIComponent(child)}`}>its task</a>
          </>
        )}
        <span class="muted">
          {durationMs !== null && ` ${duration(durationMs)}`}
          {waitedMs > 25 && ` after ${duration(waitedMs)} in the queue`}
        </span>
      </h3>
      <div class="call-parts">
        <div>
          <h4>Arguments</h4>
          <LongText text={argumentsOf(call.arguments)} label={`Arguments of ${line(tool, 60)}`} />
        </div>
        <div>
          <h4>Result</h4>
          {call.output === '' && call.message === null ? (
            <p class="muted">{endedMs === null ? 'Not yet' : 'Nothing'}</p>
          ) : (
            call.output !== '' && <LongText text={call.output} label={`Result of ${line(tool, 60)}`} />
          )}
          {call.message !== null && <Problem code={call.code} message={call.message} />}
        </div>
      </div>
    </section>
  )
}

/** JSON text as it came in an event, or the value itself. */
function argumentsOf(given: unknown): string {
  if (typeof given !== 'string') return shown(given)
  try {
    return shown(JSON.parse(given))
  } catch {
    return given
  }
}

function Problem({ code, message }: { readonly code: string | null; readonly message: string }) {
  return (
    <div class="problem">
      {code !== null && <code>{line(code, 60)}</code>}
      <LongText text={message} label="Error" />
    </div>
  )
}
