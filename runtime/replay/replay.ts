// Runs stages again over the recorded events of one task, and compares what they decide with what the log has.
//
// 1. A handling is known by the event that caused it: the ids of what it emitted derive from it. So is a timer: it is
//    fired if the log has something that it caused.
// 2. Handlings come in the order of what they emitted on the history; one that emitted nothing, by its event's time.
// 3. The first difference ends the replay of its stage: what follows would differ because of it.
// 4. The log may not have what an event caused: such a handling has not happened yet. Of a task that has ended, this can be
//    so for what its end has left to other stages; but not if something came of a later event of the same key.
// 5. A task that was queued was admitted by the end of another one: its place is not decided again.
import { changedRows } from '../decisions.ts'
import { encodeKey, isWithin, rootOf } from '../keys.ts'
import { isOpen } from '../host/lane/foreign.ts'
import { callId, emittedEventId, timerEventId } from '../host/lane/ids.ts'
import type { Decision, Emit, LaneIndex, RecordEvent, Stage, StageEvent } from '../stage.ts'
import type { TopicName } from '../../schemas/topics.ts'
import { outcomeOf, type Emitted } from './outcomes.ts'

export interface ReplayRecord extends Emitted {
  readonly topic: TopicName
  readonly offset: number
  readonly timestampMs: number
  readonly headers: Readonly<Record<string, string>>
  /** Id of its event, and of the event that caused it (null: a client's). */
  readonly id: string
  readonly causeId: string | null
  readonly event: RecordEvent
}

export interface Divergence {
  readonly stage: string
  /** The event whose handling came out differently. */
  readonly eventId: string
  readonly eventType: string
  readonly step: number | null
  readonly what: string
}

export interface StageReplay {
  readonly stage: string
  /** Events and timers that were handled again, and emitted events that were compared. */
  readonly handled: number
  readonly compared: number
  readonly divergence: Divergence | null
}

interface Timer {
  readonly key: string
  readonly name: string
  readonly dueMs: number
  readonly causeId: string
}

interface Candidate {
  readonly event: StageEvent
  readonly key: string
  /** The event that caused this one; null: a client's. */
  readonly causeId: string | null
  readonly outputs: readonly ReplayRecord[]
  readonly atMs: number
  readonly take: () => void
}

const MAX_HANDLINGS = 200_000
/** Waits of one call in a row, of which the history has the first. */
const MAX_WAITS = 1_000
const noLane: LaneIndex = { write: () => {} }

export interface ReplayOptions {
  /** The task may not have ended. Default false. */
  readonly mayRun?: boolean
  /** Is given every row as it is written; null: it is deleted. */
  readonly onRow?: OnRow
}

type OnRow = (name: string, row: unknown) => void

export function replayStage(
  stage: Stage,
  records: readonly ReplayRecord[],
  options: ReplayOptions = {},
): StageReplay {
  return new Replay(stage, records, options).run()
}

/** What the stage would decide now about one more event, of a task that may still run. */
export function decideNext(
  stage: Stage,
  records: readonly ReplayRecord[],
  event: StageEvent,
): { readonly decision: Decision; readonly divergence: Divergence | null } {
  const replay = new Replay(stage, records, { mayRun: true })
  const { divergence } = replay.run()
  return { decision: replay.decide(event), divergence }
}

class Replay {
  readonly #stage: Stage
  readonly #lane: LaneIndex
  readonly #rows = new Map<string, Record<string, unknown>>()
  readonly #timers = new Map<string, Timer>()
  readonly #outputs: ReadonlyMap<string, readonly ReplayRecord[]>
  readonly #queues: ReplayRecord[][]
  readonly #errors: ReadonlyMap<number, string>
  readonly #wasQueued: boolean
  readonly #mayRun: boolean
  readonly #onRow: OnRow
  /** What an event of a key should have caused, and the log does not have. */
  readonly #missing = new Map<string, Divergence>()
  #compared = 0
  #hasEnded = false

  constructor(
    stage: Stage,
    records: readonly ReplayRecord[],
    { mayRun = false, onRow = () => {} }: ReplayOptions = {},
  ) {
    this.#mayRun = mayRun
    this.#onRow = onRow
    this.#stage = stage
    this.#lane = stage.laneIndex?.() ?? noLane
    this.#outputs = outputsOf(stage.name, records)
    this.#queues = stage.consumes.map(({ topic, accepts, events }) =>
      records.filter(
        (record) =>
          record.topic === topic &&
          (accepts?.(record.headers) ?? true) &&
          (events?.includes(record.type) ?? true),
      ),
    )
    this.#errors = errorsIn(records)
    this.#wasQueued = records.some(({ data }) => (data as { kind?: string }).kind === 'queued')
  }

  run(): StageReplay {
    let handled = 0
    let divergence: Divergence | null = null
    for (; handled < MAX_HANDLINGS && divergence === null; handled++) {
      const next = this.#next()
      if (next === null) break
      next.take()
      divergence = this.#handle(next)
    }
    divergence ??= this.#unreached()
    return { stage: this.#stage.name, handled, compared: this.#compared, divergence }
  }

  /** The result, if the stage gave it and the replay did not come to it: what led to it is missing. */
  #unreached(): Divergence | null {
    if (this.#mayRun || this.#hasEnded || this.#wasQueued) return null
    for (const [causeId, outputs] of this.#outputs)
      if (outputs.some(({ type }) => type === 'TaskCompleted')) {
        const [missing] = this.#missing.values()
        if (missing) return missing
        const what =
          'the replay does not come to the result: events that led to it are missing, or were not caused now'
        return { stage: this.#stage.name, eventId: causeId, eventType: 'TaskCompleted', step: null, what }
      }
    return null
  }

  decide(event: StageEvent): Decision {
    return this.#stage.decide(event, this.#viewOf(event.key), this.#lane)
  }

  /** A part sees the rows of its root, its own over them. */
  #viewOf(key: string): Record<string, unknown> {
    const [root, own] = [this.#rows.get(rootOf(key)), this.#rows.get(key)]
    return rootOf(key) === key ? changedRows(own ?? {}) : { ...root, ...own }
  }

  #next(): Candidate | null {
    const inputs = this.#queues.flatMap((queue) => (queue[0] ? [this.#input(queue[0], queue)] : []))
    const timers = [...this.#timers.values()].flatMap((timer) => this.#due(timer))
    return [...inputs, ...timers].reduce<Candidate | null>(
      (first, other) => (first === null || isBefore(other, first) ? other : first),
      null,
    )
  }

  #input(record: ReplayRecord, queue: ReplayRecord[]): Candidate {
    const key = encodeKey(this.#stage.keyOf?.(record.event) ?? record.event.key)
    const outputs = this.#outputs.get(record.id) ?? []
    const event = { ...record.event, key }
    const { causeId, timestampMs: atMs } = record
    return { event, key, causeId, outputs, atMs, take: () => void queue.shift() }
  }

  #due({ key, name, dueMs, causeId }: Timer): Candidate[] {
    const id = this.#firedId(key, name, causeId)
    const outputs = id === null ? undefined : this.#outputs.get(id)
    if (id === null || !outputs) return []
    const meta = { id, key, lane: 0, atMs: dueMs, traceId: null }
    const event: StageEvent = { type: 'TimerFired', data: { name }, ...meta }
    return [
      { event, key, causeId, outputs, atMs: dueMs, take: () => void this.#timers.delete(`${key} ${name}`) },
    ]
  }

  /** Id of the timer, or of the one that it led to after waits of which the log has nothing. Null: it did not fire. */
  #firedId(key: string, name: string, causeId: string): string | null {
    let id = timerEventId(key, name, causeId)
    for (let waits = 0; name === 'retry' && waits < MAX_WAITS && !this.#outputs.has(id); waits++)
      id = timerEventId(key, name, id)
    return this.#outputs.has(id) ? id : null
  }

  #handle({ event, key, outputs }: Candidate): Divergence | null {
    const missing = this.#missing.get(key)
    if (missing && outputs.length > 0) return missing
    const view = this.#viewOf(key)
    const first = this.#stage.decide(event, view, this.#lane)
    const isSilent = first.call === undefined && (first.emit ?? []).length === 0
    if (this.#mayRun && outputs.length === 0 && !isSilent) return null
    const decision = first.call ? this.#conclude(event, view, first, outputs) : first
    const [emitted] = outputs.length > 0 ? [] : this.#comparable(key, decision.emit ?? [])
    if (emitted && !this.#isPlacedByOthers(event)) {
      this.#missing.set(key, this.#missing.get(key) ?? this.#divergence(event, notThere(emitted.emit)))
      return null
    }
    this.#commit(key, event.id, decision)
    this.#hasEnded ||= outputs.some(({ type }) => type === 'TaskCompleted')
    if (this.#isPlacedByOthers(event)) return null
    return this.#compare(event, key, decision.emit ?? [], outputs)
  }

  #conclude(
    event: StageEvent,
    view: Record<string, unknown>,
    first: Decision,
    outputs: readonly ReplayRecord[],
  ): Decision {
    const { call, ...begun } = first
    if (!call) return first
    const rows = changedRows(view, asJson(first.rows))
    const step = (rows['run'] as { step?: number } | undefined)?.step ?? 0
    const outcome = outcomeOf({
      call,
      callId: callId(event.key, event.id, this.#stage.name, 0),
      eventId: event.id,
      atMs: event.atMs,
      outputs,
      errorOfStep: (number) => this.#errors.get(number) ?? null,
      step,
    })
    return join(begun, this.#stage.conclude?.(event, rows, call, outcome, this.#lane) ?? {})
  }

  #commit(key: string, causeId: string, decision: Decision): void {
    if (decision.clear) this.#clear(key)
    const rows = this.#rows.get(key) ?? (Object.create({}) as Record<string, unknown>)
    this.#rows.set(key, rows)
    for (const [name, row] of Object.entries(asJson(decision.rows))) {
      const place = this.#stage.isCold?.(name) ? (Object.getPrototypeOf(rows) as typeof rows) : rows
      if (row === null) Reflect.deleteProperty(place, name)
      else place[name] = row
      this.#onRow(name, row)
    }
    for (const [name, dueMs] of Object.entries(decision.timers ?? {}))
      if (dueMs === null) this.#timers.delete(`${key} ${name}`)
      else this.#timers.set(`${key} ${name}`, { key, name, dueMs, causeId })
    for (const [name, row] of Object.entries(decision.lane ?? {})) this.#lane.write(name, row)
  }

  #clear(key: string): void {
    for (const other of this.#rows.keys()) if (isWithin(other, key)) this.#rows.delete(other)
    for (const [name, timer] of this.#timers) if (isWithin(timer.key, key)) this.#timers.delete(name)
  }

  #isPlacedByOthers({ type }: StageEvent): boolean {
    return this.#wasQueued && this.#stage.name === 'router' && type !== 'SubmissionRefused'
  }

  #compare(
    event: StageEvent,
    key: string,
    emits: readonly Emit[],
    outputs: readonly ReplayRecord[],
  ): Divergence | null {
    const byId = new Map(outputs.map((record) => [record.id, record]))
    for (const { index, emit } of this.#comparable(key, emits)) {
      const id = emittedEventId(event.id, this.#stage.name, index)
      const recorded = byId.get(id)
      byId.delete(id)
      this.#compared++
      const what = recorded ? differenceOf(emit, recorded) : notThere(emit)
      if (what) return this.#divergence(event, what)
    }
    const [missing] = byId.values()
    return missing
      ? this.#divergence(event, `the log has ${nameOf(missing)}, which is not emitted now`)
      : null
  }

  /**
   * What concerns other tasks is not among the records of this one; on a topic that anyone may write, nothing says which
   * event caused a record.
   */
  #comparable(key: string, emits: readonly Emit[]): { index: number; emit: Emit }[] {
    const task = rootOf(key)
    return emits.flatMap((emit, index) =>
      (emit.key ?? task) === task && !isOpen(emit.topic) ? [{ index, emit }] : [],
    )
  }

  #divergence(event: StageEvent, what: string): Divergence {
    const step = (event.data as { step?: number | null }).step ?? null
    return { stage: this.#stage.name, eventId: event.id, eventType: event.type, step, what }
  }
}

/** Events that a handling emits besides those of the task: their numbers are between those that are compared. */
const OF_OTHERS = 200

/** What the stage emitted, by cause: an event's id says which stage made it, and as its how manieth. */
function outputsOf(stage: string, records: readonly ReplayRecord[]): Map<string, ReplayRecord[]> {
  const caused = Map.groupBy(
    records.filter(({ causeId }) => causeId !== null),
    ({ causeId }) => causeId ?? '',
  )
  const own = new Map<string, ReplayRecord[]>()
  for (const [causeId, emitted] of caused) {
    const most = emitted.length + OF_OTHERS
    const ids = new Set(Array.from({ length: most }, (_, index) => emittedEventId(causeId, stage, index)))
    const ofStage = emitted.filter(({ id }) => ids.has(id))
    if (ofStage.length > 0) own.set(causeId, ofStage)
  }
  return own
}

function isBefore(a: Candidate, b: Candidate): boolean {
  const [left, right] = [historyOffset(a), historyOffset(b)]
  if (left !== null && right !== null) return left < right
  // A handling that emitted nothing says only when its event came.
  const byEvent = a.outputs.length === 0 || b.outputs.length === 0
  const [atA, atB] = byEvent ? [a.atMs, b.atMs] : [timeOf(a), timeOf(b)]
  if (atA !== atB) return atA < atB
  if (a.causeId === b.event.id || b.causeId === a.event.id) return b.causeId === a.event.id
  return a.outputs.length === 0 && b.outputs.length > 0
}

const historyOffset = ({ outputs }: Candidate): number | null =>
  outputs.find(({ topic }) => topic === 'tasks.history')?.offset ?? null

const timeOf = ({ outputs, atMs }: Candidate): number => outputs[0]?.timestampMs ?? atMs

/** Rows as the log gives them back. */
const asJson = (rows: Decision['rows'] = {}): Record<string, unknown> =>
  JSON.parse(JSON.stringify(rows)) as Record<string, unknown>

/** As the host joins what `decide` and `conclude` return. */
function join(first: Decision, second: Decision): Decision {
  const emit = [...(first.emit ?? []), ...(second.emit ?? [])]
  if (second.clear) return { ...second, emit }
  const joined = { rows: { ...first.rows, ...second.rows }, timers: { ...first.timers, ...second.timers } }
  const lane = { ...first.lane, ...second.lane }
  return { clear: first.clear ?? false, emit, lane, ...joined }
}

function errorsIn(records: readonly ReplayRecord[]): Map<number, string> {
  const result = records.find(({ type }) => type === 'TaskCompleted')?.data as { steps?: unknown } | undefined
  const steps = Array.isArray(result?.steps)
    ? (result.steps as { step: number; error?: { message: string } }[])
    : []
  return new Map(steps.flatMap(({ step, error }) => (error ? [[step, error.message] as const] : [])))
}

const notThere = (emit: Emit): string => `it now emits ${nameOf(emit)}, which the log does not have`

const nameOf = ({ type, data }: { readonly type: string; readonly data: object }): string => {
  const { kind } = data as { kind?: unknown }
  return typeof kind === 'string' ? `${type} ${kind}` : type
}

/** Null if the log has the same. Trace ids are those of the run. */
function differenceOf(emit: Emit, { type, data }: ReplayRecord): string | null {
  if (emit.type !== type) return `it emits ${nameOf(emit)} in place of ${nameOf({ type, data })}`
  const [now, then] = [emit.data, data] as unknown as Record<string, unknown>[]
  for (const name of Object.keys({ ...then, ...now })) {
    if (name === 'traceId') continue
    const [left, right] = [textOf(now?.[name]), textOf(then?.[name])]
    if (left !== right) return `${nameOf(emit)}.${name} is now ${cut(left)}, and was ${cut(right)}`
  }
  return null
}

const MAX_SHOWN = 200

const cut = (text: string): string => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text)

/** JSON with its properties in order. */
function textOf(value: unknown): string {
  return (
    JSON.stringify(value ?? null, (_, inner: unknown) =>
      typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : inner,
    ) ?? 'null'
  )
}
