// Replays an ended task: the stages decide again over its recorded events.
import { isDeepStrictEqual } from 'node:util'
import type { TaskResult, TaskStep } from '../../../client/types.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { eventIdOf, toEvent, type Origin } from '../../../runtime/host/lane/event-records.ts'
import {
  decideNext,
  replayStage,
  type ReplayRecord,
  type StageReplay,
} from '../../../runtime/replay/replay.ts'
import { shortStep } from '../../../runtime/task/short-steps.ts'
import type { Stage } from '../../../runtime/stage.ts'
import type { TaskCompleted } from '../../../schemas/generated/events.ts'
import { headers as names, type TopicName } from '../../../schemas/topics.ts'
import { recordsOf, type RecordParts, type TaskRecord } from './records.ts'

export interface TaskReplay {
  readonly taskId: string
  /** Every decision came out the same. */
  readonly same: boolean
  readonly stages: readonly StageReplay[]
  /** Where outcomes of calls came from. The journal forgets a call once its commit is durable. */
  readonly outcomes: 'events'
}

/** Every topic that a task's stages read or write, apart from signs of life. */
const topics: readonly TopicName[] = [
  'tasks.submitted',
  'tasks.control',
  'tasks.admitted',
  'tasks.delegated',
  'tools.requested',
  'tools.completed',
  'code.requested',
  'code.completed',
  'sessions.turns',
  'tasks.completed',
  'tasks.history',
  'usage.recorded',
]

/** Rejects with EVENTS_GONE if the log no longer has the beginning. */
export async function replayTask(
  parts: RecordParts & { readonly stages: readonly Stage[] },
  taskId: string,
  submittedAtMs: number,
): Promise<TaskReplay> {
  const records = await decidedRecords(parts, taskId, submittedAtMs)
  const replayed = parts.stages.map((stage) => replayStage(stage, records))
  const same = replayed.every(({ divergence }) => divergence === null)
  return { taskId, same, stages: replayed, outcomes: 'events' }
}

/** The result that the task would have if it were cancelled now: its steps as far as they are. Null: it has none. */
export async function resultSoFar(
  parts: RecordParts & { readonly stages: readonly Stage[] },
  taskId: string,
  submittedAtMs: number,
): Promise<TaskCompleted | null> {
  const records = await decidedRecords(parts, taskId, submittedAtMs)
  const planner = plannerOf(parts.stages)
  const cancelled = { taskId, reason: null, requestedBy: null }
  const meta = { id: 'so-far', key: taskId, lane: 0, atMs: records.at(-1)?.timestampMs ?? 0, traceId: null }
  const event = { type: 'TaskCancelled' as const, data: cancelled, ...meta }
  const { decision, divergence } = decideNext(planner, records, event)
  if (divergence !== null) {
    const message = `the steps of task ${taskId} so far can’t be read from its events: ${divergence.what}; fork it once it has ended`
    throw new FlotillaError('TASK_OPEN', message)
  }
  const found = decision.emit?.find(({ type }) => type === 'TaskCompleted')
  return found ? (found.data as TaskCompleted) : null
}

/**
 * The steps of a task as they were before some were cut to keep its result bounded. Rejects with EVENTS_GONE if
 * they can't be decided again.
 */
export async function wholeSteps(
  parts: RecordParts & { readonly stages: readonly Stage[] },
  { taskId, submittedAtMs, steps }: TaskResult,
): Promise<TaskStep[]> {
  const records = await decidedRecords(parts, taskId, submittedAtMs)
  const whole = new Map<number, TaskStep>()
  const onRow = (name: string, row: unknown) => {
    const [, number] = /^step:(\d+)$/.exec(name) ?? []
    const step = row as TaskStep | null
    if (number !== undefined && step !== null && !step.shortened) whole.set(Number(number), step)
  }
  const { divergence } = replayStage(plannerOf(parts.stages), records, { mayRun: true, onRow })
  return steps.map((step) => {
    if (!step.shortened) return step
    const found = whole.get(step.step)
    if (divergence === null && found && isCutOf(found, step)) return found
    const why = divergence?.what ?? 'the log no longer has its events'
    const message = `the result of task ${taskId} has the beginning and end of step ${step.step} only, and it can’t be decided again (${why}); fork it from step 1 with --tools live or refuse`
    throw new FlotillaError('EVENTS_GONE', message)
  })
}

const isCutOf = (whole: TaskStep, { text, code, observation }: TaskStep): boolean =>
  isDeepStrictEqual([text, code, observation], textsOf(shortStep(whole)))

const textsOf = ({ text, code, observation }: TaskStep) => [text, code, observation]

function plannerOf(stages: readonly Stage[]): Stage {
  const planner = stages.find(({ name }) => name === 'planner')
  if (planner === undefined) throw new FlotillaError('INTERNAL', 'there is no planner to decide again')
  return planner
}

async function decidedRecords(
  parts: RecordParts,
  taskId: string,
  submittedAtMs: number,
): Promise<ReplayRecord[]> {
  const { log } = parts
  const found = await recordsOf(parts, taskId, topics, submittedAtMs)
  assertWhole(taskId, found)
  const origin: Origin = { partitions: log.partitions, topicIds: await log.topicIds(topics) }
  // The submission of a delegated task was emitted by router, for others: it decided by TaskDelegated.
  const isDelegated = found.some(({ event }) => event.type === 'TaskDelegated')
  const decided = found.filter(({ event }) => !isDelegated || event.type !== 'TaskSubmitted')
  const causes = new Set(found.map(({ record }) => record.headers[names.causationId]))
  return decided.map((each) => replayRecord(each, origin, causes))
}

function assertWhole(taskId: string, found: readonly TaskRecord[]): void {
  const kept = new Set(found.map(({ record }) => record.topic))
  const wasAdmitted = found.some(
    ({ event }) => event.type === 'TaskProgressed' && event.data.kind === 'admitted',
  )
  const needed: TopicName[] = ['tasks.submitted', 'tasks.history']
  if (wasAdmitted) needed.push('tasks.admitted', 'tools.requested')
  const missing = needed.filter((topic) => !kept.has(topic))
  if (missing.length === 0) return
  const message = `task ${taskId} can’t be replayed: the log no longer has its events on ${missing.join(', ')}`
  throw new FlotillaError('EVENTS_GONE', message)
}

/** Its id and time; those that it had in the data file from which it was moved, if only that id caused something. */
function identityOf(
  { record }: TaskRecord,
  origin: Origin,
  causes: ReadonlySet<string | undefined>,
): { id: string; timestampMs: number } {
  const id = eventIdOf(record, origin)
  const { [names.movedId]: moved, [names.movedAtMs]: movedAtMs } = record.headers
  return moved !== undefined && !causes.has(id) && causes.has(moved)
    ? { id: moved, timestampMs: Number(movedAtMs ?? record.timestampMs) }
    : { id, timestampMs: record.timestampMs }
}

function replayRecord(
  found: TaskRecord,
  origin: Origin,
  causes: ReadonlySet<string | undefined>,
): ReplayRecord {
  const { event: decoded } = found
  const { id, timestampMs } = identityOf(found, origin, causes)
  const record = { ...found.record, timestampMs }
  const { topic, offset, headers } = record
  return {
    topic: topic as TopicName,
    offset,
    timestampMs,
    headers,
    type: decoded.type,
    data: decoded.data,
    id,
    causeId: headers[names.causationId] ?? null,
    event: { ...toEvent(record, decoded, origin), id },
  }
}
