// What happened in a task, as a waterfall shows it: steps, each with its spans of time. Made of the task's events, one
// by one, so that an event costs the same in a task of a thousand steps.
import type { StreamEvent } from '../api/stream-event.ts'
import { fleetMs } from '../clock.ts'
import {
  emptyStep,
  endWaits,
  mark,
  noOutput,
  resume,
  running,
  span,
  type Admission,
  type Call,
  type FullCall,
  type Result,
  type Span,
  type Step,
} from './steps.ts'

/** Events that the raw view keeps. */
const MAX_EVENTS = 20_000

export class Timeline {
  readonly steps: Step[] = []
  readonly events: StreamEvent[] = []
  admission: Admission | null = null
  queuedMs: number | null = null
  firstMs: number | null = null
  lastMs: number | null = null
  status: string | null = null
  error: { code: string | null; message: string | null } | null = null
  result: Result | null = null
  /** Why the beginning is missing; null if it is not. */
  lost: string | null = null
  readonly totals = { inputTokens: 0, outputTokens: 0, cost: 0, cached: 0, retries: 0, waits: 0, calls: 0 }
  /** Of what came before the event that is taken. */
  #beforeMs = 0
  readonly #byNumber = new Map<number, Step>()
  readonly #calls = new Map<string, Call>()
  /** Of the calls that wait for people. */
  readonly #waits = new Map<string, Span>()

  take(event: StreamEvent): void {
    if (event.type === 'text.delta') return this.#text(event.step, event.text)
    if (event.type === 'text.retracted') return this.#retract(event.step, event.reason)
    if (this.events.length < MAX_EVENTS && event.type !== 'result') this.events.push(event)
    if ('atMs' in event) {
      this.#beforeMs = this.lastMs ?? event.atMs
      this.firstMs = Math.min(this.firstMs ?? event.atMs, event.atMs)
      this.lastMs = Math.max(this.lastMs ?? event.atMs, event.atMs)
    }
    this.#apply(event)
  }

  #apply(event: StreamEvent): void {
    switch (event.type) {
      case 'task.queued':
        this.queuedMs = event.atMs
        this.status = 'queued'
        return
      case 'task.admitted':
        this.admission = event
        this.status = 'running'
        return
      case 'task.completed':
        this.status = event.status
        this.error = event.code === null ? null : { code: event.code, message: event.message }
        return this.#close(event.atMs)
      case 'result':
        this.result = event.result
        this.status = event.result.status
        return this.#fill(event.result)
      case 'events.lost':
        this.lost = event.reason
        return
      case 'step.started':
      case 'model.answered':
      case 'code':
      case 'code.output':
      case 'tool.requested':
      case 'tool.started':
      case 'tool.completed':
      case 'task.delegated':
      case 'approval.requested':
      case 'approval.decided':
      case 'retry':
      case 'waiting':
      case 'model.changed':
      case 'step.completed':
        return this.#ofStep(event)
      default:
        return
    }
  }

  #ofStep(event: StepEvent): void {
    this.status = 'running'
    const step = this.#step(event.step ?? this.steps.at(-1)?.number ?? 1, event.atMs)
    step.version++
    // The end of one step begins the next, which nobody had begun before.
    if (event.resumedEpoch !== undefined && event.type !== 'step.started')
      resume(step, {
        stage: event.stage,
        epoch: event.resumedEpoch,
        atMs: event.atMs - workMs(event),
        beforeMs: this.#beforeMs,
      })
    switch (event.type) {
      case 'model.answered':
        return this.#answered(step, event)
      case 'code':
        step.code = { ...noOutput, requestId: event.requestId, text: event.code, atMs: event.atMs }
        return
      case 'code.output':
        return this.#ran(step, event)
      case 'tool.requested':
      case 'approval.requested':
      case 'tool.started':
        return this.#called(step, event)
      case 'approval.decided':
        return this.#decided(step, event)
      case 'task.delegated':
        this.#call(step, { callId: event.callId, tool: event.tool, given: undefined }).child = event.child
        return
      case 'tool.completed':
        return this.#returned(step, event)
      case 'retry':
      case 'waiting':
      case 'model.changed':
        return this.#interrupted(step, event)
      case 'step.completed':
        step.endedMs = event.atMs
        step.kind = event.kind
        step.observation = event.observation
        step.error = event.code
        endWaits(step, event.atMs)
        return
    }
  }

  #step(number: number, atMs: number): Step {
    const known = this.#byNumber.get(number)
    if (known) return known
    const step: Step = { ...emptyStep(), number, startedMs: atMs }
    this.#byNumber.set(number, step)
    const at = this.steps.findLastIndex((each) => each.number < number)
    this.steps.splice(at + 1, 0, step)
    return step
  }

  #answered(step: Step, event: Extract<StepEvent, { type: 'model.answered' }>): void {
    const fromMs = event.atMs - (event.durationMs ?? 0)
    endWaits(step, fromMs)
    const since = step.spans.at(-1)?.toMs ?? step.startedMs
    if (fromMs - since > SHOWN_WAIT_MS) step.spans.push(span('queue', since, fromMs, 'queue'))
    step.spans.push(span('model', fromMs, event.atMs, event.model ?? 'model'))
    step.text = event.text
    step.isAnswered = true
    step.model = event.model
    step.modelMs = event.durationMs
    step.inputTokens += event.inputTokens ?? 0
    step.outputTokens += event.outputTokens ?? 0
    step.cost += event.cost ?? 0
    this.totals.inputTokens += event.inputTokens ?? 0
    this.totals.outputTokens += event.outputTokens ?? 0
    this.totals.cost += event.cost ?? 0
  }

  #ran(step: Step, event: Extract<StepEvent, { type: 'code.output' }>): void {
    const { code } = step
    if (code === null) return
    const { atMs, status, prints, message, durationMs } = event
    Object.assign(code, { endedMs: atMs, status, prints, code: event.code, message, durationMs })
    const fromMs = Math.max(code.atMs, atMs - (durationMs ?? 0))
    if (fromMs - code.atMs > SHOWN_WAIT_MS && step.calls.length === 0)
      step.spans.push(span('queue', code.atMs, fromMs, 'queue'))
    step.spans.push(span('python', step.calls.length === 0 ? fromMs : code.atMs, atMs, 'Python'))
  }

  #called(
    step: Step,
    event: Extract<StepEvent, { type: 'tool.requested' | 'approval.requested' | 'tool.started' }>,
  ): void {
    const given = 'arguments' in event ? event.arguments : undefined
    const call = this.#call(step, { callId: event.callId, tool: event.tool, given })
    if (event.type === 'tool.requested') call.requestedMs = event.atMs
    if (event.type !== 'approval.requested') return
    call.requestedMs ??= event.atMs
    call.status = 'person'
    // Asked again: a reminder.
    if (this.#waits.has(call.callId)) return
    const wait = span('person', event.atMs, null, `${event.tool} waits for a person`)
    this.#waits.set(call.callId, wait)
    step.spans.push(wait)
    this.totals.waits++
  }

  #decided(step: Step, event: Extract<StepEvent, { type: 'approval.decided' }>): void {
    const { callId, tool, by, reason, outcome, problem, atMs, final } = event
    const why = [problem, reason].filter(Boolean).join('; ')
    const text = `${tool}: ${outcome}${by === null ? '' : ` by ${by}`}${why === '' ? '' : `: ${why}`}`
    step.marks.push(mark('person', atMs, text, null))
    if (!final) return
    this.#endWait(callId, atMs)
    const call = this.#calls.get(callId)
    if (!call) return
    call.status = 'running'
    call.requestedMs = atMs
  }

  #endWait(callId: string, atMs: number): void {
    const wait = this.#waits.get(callId)
    if (wait) wait.toMs ??= Math.max(wait.fromMs, atMs)
    this.#waits.delete(callId)
  }

  #returned(step: Step, event: Extract<StepEvent, { type: 'tool.completed' }>): void {
    const { callId, tool, atMs, status, cached, durationMs, output, code, message } = event
    const call = this.#call(step, { callId, tool, given: event.arguments })
    const fromMs = atMs - (durationMs ?? 0)
    this.#endWait(callId, fromMs)
    const requestedMs = call.requestedMs ?? fromMs
    if (call.status !== 'person' && fromMs - requestedMs > SHOWN_WAIT_MS)
      step.spans.push(span('queue', requestedMs, fromMs, `${tool}: queue`))
    const isNothing = message !== null && output === 'null'
    Object.assign(call, { endedMs: atMs, status, isCached: cached, durationMs, code, message })
    call.output = isNothing ? '' : output
    step.spans.push(span('tool', fromMs, atMs, tool))
    if (cached) this.totals.cached++
  }

  #interrupted(step: Step, event: Extract<StepEvent, { type: 'retry' | 'waiting' | 'model.changed' }>): void {
    endWaits(step, event.atMs)
    if (event.type === 'model.changed') {
      step.marks.push(mark('model', event.atMs, `${event.from} → ${event.to}: ${event.message}`, null))
      return
    }
    const kind = event.type === 'retry' ? 'retry' : event.for === 'breaker' ? 'breaker' : 'limit'
    if (event.type === 'waiting' && event.for === 'slot') {
      step.spans.push(span('queue', event.atMs, null, `waits for a slot of ${event.target}`))
      return
    }
    step.spans.push(span(kind, event.atMs, null, event.message))
    step.marks.push(
      mark(kind, event.atMs, [event.code, event.message].filter(Boolean).join(': '), event.dueMs),
    )
    if (kind === 'retry') this.totals.retries++
    else this.totals.waits++
  }

  #call(step: Step, { callId, tool, given }: { callId: string | null; tool: string; given: unknown }): Call {
    const id = callId ?? `${step.number}/${tool}`
    const known = this.#calls.get(id)
    if (known) return known
    const call: Call = {
      callId: id,
      tool,
      arguments: given ?? null,
      isByPython: step.code !== null,
      ...running,
    }
    this.#calls.set(id, call)
    step.calls.push(call)
    this.totals.calls++
    return call
  }

  #text(number: number, text: string): void {
    const step = this.#byNumber.get(number)
    if (step === undefined || step.isAnswered) return
    step.text += text
    step.version++
  }

  #retract(number: number | null, reason: string): void {
    for (const step of this.steps) {
      if (step.isAnswered || (number !== null && step.number !== number)) continue
      if (reason === 'attempt_ended' && step.text !== '')
        step.marks.push(
          mark('resumed', fleetMs(), 'The attempt that wrote this text ended; the call was made again', null),
        )
      step.text = ''
      step.version++
    }
  }

  #close(atMs: number): void {
    for (const step of this.steps) {
      step.endedMs ??= atMs
      endWaits(step, atMs)
      for (const call of step.calls) if (call.endedMs === null) call.status = 'stopped'
      step.version++
    }
  }

  /** The result has what events cut off: whole outputs, and steps that retention deleted. */
  #fill({ steps, error }: Result & { error?: { code: string; message: string } | null }): void {
    this.error = error ?? null
    for (const each of steps) {
      const { startedAtMs, durationMs, text } = each as {
        startedAtMs?: number
        durationMs?: number
        text?: string
      }
      const step = this.#step(each.step, startedAtMs ?? 0)
      const isUnseen = step.kind === null && !step.isAnswered
      if (isUnseen) {
        Object.assign(step, {
          text: text ?? '',
          isAnswered: true,
          kind: String(each['kind'] ?? ''),
          endedMs: (startedAtMs ?? 0) + (durationMs ?? 0),
        })
        step.model = (each['model'] as string | null | undefined) ?? null
      }
      for (const full of (each['toolCalls'] as FullCall[] | undefined) ?? []) this.#fillCall(step, full)
      step.version++
    }
  }

  #fillCall(
    step: Step,
    { callId, tool, status, output, arguments: given, durationMs, cached, child }: FullCall,
  ): void {
    const known = this.#calls.get(callId)
    const call = known ?? this.#call(step, { callId, tool, given })
    if (call.endedMs === null) Object.assign(call, { status, durationMs, isCached: cached === true })
    Object.assign(call, { arguments: given ?? call.arguments, child: child?.taskId ?? call.child })
    if (output !== undefined && output !== null)
      call.output = typeof output === 'string' ? output : JSON.stringify(output, null, 2)
  }
}

type StepEvent = Extract<StreamEvent, { readonly step: number | null; readonly atMs: number }>

/** Milliseconds that its stage worked just before the event. The time of Python counts from its start, in whichever process it ran. */
const workMs = (event: StepEvent): number =>
  event.type === 'model.answered' || event.type === 'tool.completed' ? (event.durationMs ?? 0) : 0

/** Shorter waits are the log's own pace. */
const SHOWN_WAIT_MS = 25
