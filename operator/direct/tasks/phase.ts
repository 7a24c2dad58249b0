// What an open task does now, from its newest events. Pure.
import type { taskPhases } from '../../../runtime/ledger/choices.ts'
import type { HeldCall, TaskState, TaskUsage } from '../../../runtime/ledger/tasks.ts'
import { isPausedBy, type Pause } from '../../../runtime/pauses.ts'
import type { TaskProgressed } from '../../../schemas/generated/events.ts'
import { fieldsOf, type Progress } from './progress.ts'

export type Phase = (typeof taskPhases)[number]

export interface Now {
  readonly status: TaskState
  /** Null: it has ended a moment ago. */
  readonly phase: Phase | null
  readonly sinceMs: number
  readonly detail: string | null
  readonly step: number | null
  readonly model: string | null
  /** The queued task's; null of any other. */
  readonly priority: number | null
  /** In all, of a task that has ended; null: as the ledger has it. */
  readonly used: Omit<TaskUsage, 'model'> | null
}

/**
 * `recorded`: the call that waits for a person as the ledger has it. It may be further back in the log than is read,
 * behind other tasks or other calls of its own; and the ledger may be behind the log. `pauses`: those that hold now.
 */
export function phaseOf(
  progress: Progress | undefined,
  submittedAtMs: number,
  recorded: HeldCall | null = null,
  pauses: readonly Pause[] = [],
): Now {
  // A call that waited for a person is withdrawn behind the end of its task.
  const events = progress?.events ?? []
  const event = events.find(({ kind }) => kind === 'completed') ?? events.at(-1)
  const held = event?.kind === 'completed' ? null : (heldIn(events) ?? stillHeld(recorded, events))
  const model = modelIn(events)
  if (held !== null) {
    const { tool: detail, heldAtMs: sinceMs, step } = held
    return { status: 'waiting', phase: 'approval', detail, sinceMs, step, model, priority: null, used: null }
  }
  if (event === undefined) {
    const isUnread = progress?.isWhole ?? true
    const now = { sinceMs: submittedAtMs, detail: null, step: null, model: null, priority: null, used: null }
    return isUnread
      ? { status: 'queued', phase: 'submitted', ...now }
      : { status: 'running', phase: 'unknown', ...now }
  }
  const { priority } = event.kind === 'queued' ? fieldsOf(event) : {}
  const queued = typeof priority === 'number' ? priority : null
  const sinceMs = event.atMs
  const used = usedInAll(event)
  const paused = pausedBefore(pauses, event, events)
  if (paused !== null) return { ...paused, step: stateOf(event).step, sinceMs, model, priority: null, used }
  return { ...stateOf(event), sinceMs, model, priority: queued, used }
}

/** A stage takes nothing that came after its pause; what came before, it may have taken. Null: no pause holds the task up. */
function pausedBefore(
  pauses: readonly Pause[],
  event: TaskProgressed,
  events: readonly TaskProgressed[],
): Pick<Now, 'status' | 'phase' | 'detail'> | null {
  const detail = takerOf(event, events)
  const earlier = pauses.filter(({ sinceMs }) => sinceMs < event.atMs)
  if (detail === null || !isPausedBy(earlier, detail)) return null
  return { status: 'waiting', phase: 'paused', detail }
}

/** The stage that has to take what was written with the event; null: its own stage goes on, or several do. */
function takerOf({ kind }: TaskProgressed, events: readonly TaskProgressed[]): string | null {
  if (kind === 'admitted' || kind === 'code_run') return 'planner'
  if (kind === 'code_requested') return 'code-sandbox'
  if (kind === 'tool_requested') return 'tool-executor'
  if (kind !== 'tool_called') return null
  const asked = events.findLast(({ kind: each }) => each === 'code_requested' || each === 'model_called')
  return asked?.kind === 'code_requested' ? 'code-sandbox' : 'planner'
}

type Held = Pick<HeldCall, 'heldAtMs'> & { readonly tool: string | null; readonly step: number | null }

/** Null if the log says already that the call waits no more. */
function stillHeld(recorded: HeldCall | null, events: readonly TaskProgressed[]): HeldCall | null {
  if (recorded === null) return null
  const isOver = events.some((event) => {
    const { callId, final } = fieldsOf(event)
    if (event.kind === 'approval_decided') return final === true && callId === recorded.callId
    return event.kind === 'step_completed' && (event.step ?? 0) >= recorded.step
  })
  return isOver ? null : recorded
}

/** The first call that waits for a person, whatever happened beside it since. */
function heldIn(events: readonly TaskProgressed[]): Held | null {
  const held = new Map<unknown, TaskProgressed>()
  for (const event of events) {
    const { callId, final } = fieldsOf(event)
    if (event.kind === 'approval_requested' && !held.has(callId)) held.set(callId, event)
    if (event.kind === 'approval_decided' && final === true) held.delete(callId)
    if (event.kind === 'step_completed' || event.kind === 'completed') held.clear()
  }
  const first = held.values().next().value
  return first ? { tool: textIn(fieldsOf(first)['tool']), step: first.step, heldAtMs: first.atMs } : null
}

/** Null: it runs, or an older version wrote its end. */
function usedInAll(event: TaskProgressed): Now['used'] {
  if (event.kind !== 'completed') return null
  const { modelCalls, inputTokens, outputTokens, cost } = fieldsOf(event)
  const isWhole = [modelCalls, inputTokens, outputTokens, cost].every((figure) => typeof figure === 'number')
  return isWhole ? ({ modelCalls, inputTokens, outputTokens, cost } as Now['used']) : null
}

function stateOf(event: TaskProgressed): Pick<Now, 'status' | 'phase' | 'detail' | 'step'> {
  const { kind, step } = event
  const fields = fieldsOf(event)
  switch (kind) {
    case 'queued':
      return { status: 'queued', phase: 'queued', detail: null, step: null }
    case 'admitted':
      return { status: 'running', phase: 'model', detail: null, step: 1 }
    case 'step_completed':
      return { status: 'running', phase: 'model', detail: null, step: step === null ? null : step + 1 }
    case 'model_changed':
    case 'compacted':
      return { status: 'running', phase: 'model', detail: null, step }
    case 'retry_scheduled':
      return { status: 'running', phase: 'retry', detail: whyOf(fields), step }
    case 'waiting':
      return { status: 'waiting', ...waitOf(fields), step }
    case 'model_called':
    case 'code_requested':
    case 'tool_requested':
    case 'tool_started':
    case 'tool_called':
    case 'delegated':
    case 'code_run':
    case 'approval_requested':
    case 'approval_decided':
    case 'cancel_requested':
      return { status: 'running', phase: 'work', detail: null, step }
    case 'completed':
      return { status: fields['status'] as TaskState, phase: null, detail: textIn(fields['code']), step }
  }
}

function waitOf(fields: Record<string, unknown>): Pick<Now, 'phase' | 'detail'> {
  const code = whyOf(fields)
  return { phase: code === 'RATE_LIMITED' ? 'limit' : 'breaker', detail: code }
}

/** The error code that led to a wait, wherever its stage puts it. */
function whyOf({ code, error }: Record<string, unknown>): string | null {
  const inner: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : null
  return textIn(code) ?? textIn(inner)
}

const textIn = (value: unknown): string | null => (typeof value === 'string' ? value : null)

/** The model in use: of the last change, else of the admission. */
function modelIn(events: readonly TaskProgressed[]): string | null {
  const last = events.findLast(
    ({ kind }) => kind === 'model_changed' || kind === 'model_called' || kind === 'admitted',
  )
  const { model, to } = fieldsOf(last)
  return last?.kind === 'model_changed' ? textIn(to) : textIn(model)
}
