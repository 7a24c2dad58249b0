// Forks: a new task that shares the recorded beginning of another one. What it asks for is checked by the router.
//
// A task that still runs can be forked from a step that has ended. Its steps are what planner decides again over its
// events, because only its result has them otherwise.
import type { LogClient } from '../../../client/log/client.ts'
import type { Submission } from '../../../client/log/submission-search.ts'
import { toResult } from '../../../client/result.ts'
import type { TaskInput, TaskResult } from '../../../client/types.ts'
import { plural } from '../../../runtime/text/quantities.ts'
import { taskInput } from '../../task-input.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Recording, ToolPolicy } from '../../../runtime/task/recording.ts'
import type { Stage } from '../../../runtime/stage.ts'
import { withConversation } from './conversations.ts'
import { recordingOf, type Origin } from './recordings.ts'
import { compareResults, type Comparison } from './comparison.ts'
import { replayTask, resultSoFar, wholeSteps, type TaskReplay } from './replay.ts'
import type { DirectTasks } from './tasks.ts'
import { recordsOf, type RecordParts } from './records.ts'

/** What a fork changes. */
export interface ForkOptions {
  /** Id of the fork: the same id runs once. Default: a new one. */
  readonly taskId?: string
  /** The first step that runs again, from 1, the default. */
  readonly fromStep?: number
  readonly agent?: string
  readonly model?: string
  readonly profile?: string
  /** In place of the agent's. */
  readonly instructions?: string
  /** Default recorded. */
  readonly tools?: ToolPolicy
  /** Most US dollars to spend. Default: as the origin. */
  readonly maxCost?: number
  /** Default: as the origin. */
  readonly priority?: number
  /** On whose behalf. Default: the origin's. */
  readonly userId?: string
}

export interface Forked {
  readonly taskId: string
  readonly forkedFrom: string
  readonly fromStep: number
  readonly tools: ToolPolicy
}

export interface ForkOperator {
  /**
   * A new task that shares the recorded beginning of another one. Rejects with TASK_UNKNOWN, EVENTS_GONE,
   * REQUEST_INVALID for a step that there is not, and TASK_OPEN for a task that runs, unless the step has ended.
   */
  fork(taskId: string, options?: ForkOptions): Promise<Forked>
  /**
   * What the sender of a task gave, without a recording; of a turn of a session with what it was given of the
   * conversation. Rejects with TASK_UNKNOWN or EVENTS_GONE.
   */
  submission(taskId: string): Promise<TaskInput>
  /** The recording of a task: the steps before `fromStep`, and outcomes of later calls. */
  recording(taskId: string, fromStep?: number): Promise<Recording>
  /** Two ended tasks side by side. */
  compare(taskId: string, otherId: string): Promise<Comparison>
  /** Runs the stages again over the task's events. Rejects with TASK_UNKNOWN, TASK_OPEN, EVENTS_GONE. */
  replay(taskId: string): Promise<TaskReplay>
}

export interface ForkParts extends RecordParts {
  readonly client: Pick<LogClient, 'find' | 'submission' | 'submit'>
  readonly tasks: Pick<DirectTasks, 'assertKnown'>
  /** Those that decide about tasks. */
  readonly stages: () => Promise<readonly Stage[]>
}

export class DirectForks implements ForkOperator {
  readonly #parts: ForkParts

  constructor(parts: ForkParts) {
    this.#parts = parts
  }

  async fork(taskId: string, options: ForkOptions = {}): Promise<Forked> {
    const origin = await this.#origin(taskId, options.fromStep)
    const { fromStep = 1, tools = 'recorded' } = options
    assertStep(origin.result, fromStep)
    const isRecorded = fromStep > 1 || tools === 'recorded' || tools === 'ask'
    const recording = isRecorded ? await this.#recording(origin, fromStep) : null
    const forked = await this.#parts.client.submit({
      ...taskInput(origin.task),
      ...changes(options),
      ...(options.taskId === undefined ? {} : { taskId: options.taskId }),
      ...(recording ? { recording } : {}),
      parent: taskId,
      forkedFrom: taskId,
      forkedFromStep: fromStep,
      toolPolicy: tools,
    })
    return { taskId: forked.taskId, forkedFrom: taskId, fromStep, tools }
  }

  async submission(taskId: string): Promise<TaskInput> {
    return taskInput((await this.#submission(taskId)).task)
  }

  async recording(taskId: string, fromStep?: number): Promise<Recording> {
    return this.#recording(await this.#origin(taskId, fromStep), fromStep ?? 1)
  }

  /** Steps that the result has shortened are decided again, as they were. */
  async #recording(origin: Origin, fromStep: number): Promise<Recording> {
    const { result } = origin
    if (!result.steps.some(({ shortened }) => shortened)) return recordingOf(this.#parts, origin, fromStep)
    const steps = await wholeSteps({ ...this.#parts, stages: await this.#parts.stages() }, result)
    return recordingOf(this.#parts, { ...origin, result: { ...result, steps } }, fromStep)
  }

  async compare(taskId: string, otherId: string): Promise<Comparison> {
    return compareResults(await this.#ended(taskId), await this.#ended(otherId))
  }

  async replay(taskId: string): Promise<TaskReplay> {
    const { submittedAtMs } = await this.#ended(taskId)
    return replayTask({ ...this.#parts, stages: await this.#parts.stages() }, taskId, submittedAtMs)
  }

  /** `fromStep`: as it was given; of a task that runs, only that step says how far it is to be forked. */
  async #origin(taskId: string, fromStep: number | undefined): Promise<Origin> {
    const result = await this.#parts.client.find(taskId)
    if (result) return { task: (await this.#submission(taskId)).task, result }
    await this.#parts.tasks.assertKnown(taskId)
    const { task, atMs } = await this.#submission(taskId)
    const ended = await endedSteps(this.#parts, taskId, atMs)
    if (fromStep === undefined || !ended.has(fromStep)) throw stillOpen(taskId, fromStep, ended.size)
    const soFar = await resultSoFar({ ...this.#parts, stages: await this.#parts.stages() }, taskId, atMs)
    // It ended meanwhile: its result is there now.
    if (soFar === null) return { task, result: await this.#ended(taskId) }
    const whole = toResult(soFar)
    return { task, result: { ...whole, steps: whole.steps.filter(({ step }) => ended.has(step)) } }
  }

  async #submission(taskId: string): Promise<Submission> {
    const submission = await this.#parts.client.submission(taskId)
    if (submission) {
      const { task, atMs } = submission
      return { task: await withConversation(this.#parts, task, taskId, atMs), atMs }
    }
    await this.#parts.tasks.assertKnown(taskId)
    const message = `the submission of task ${taskId} is no longer on tasks.submitted`
    throw new FlotillaError('EVENTS_GONE', message)
  }

  async #ended(taskId: string): Promise<TaskResult> {
    const { client, tasks } = this.#parts
    const result = await client.find(taskId)
    if (result) return result
    await tasks.assertKnown(taskId)
    throw new FlotillaError(
      'TASK_OPEN',
      `task ${taskId} has not ended yet, or the log no longer has its result`,
    )
  }
}

/** Numbers of the steps that have ended. */
async function endedSteps(parts: RecordParts, taskId: string, sinceMs: number): Promise<ReadonlySet<number>> {
  const records = await recordsOf(parts, taskId, ['tasks.history'], sinceMs)
  return new Set(
    records.flatMap(({ event: { type, data } }) =>
      type === 'TaskProgressed' && data.kind === 'step_completed' ? (data.step ?? []) : [],
    ),
  )
}

function stillOpen(taskId: string, fromStep: number | undefined, ended: number): FlotillaError {
  const what = fromStep === undefined ? '' : `, and step ${fromStep} neither`
  const remedy =
    ended === 0
      ? 'No step of it has: wait for its first one'
      : `Fork it from a step that has (--from-step 1 to ${ended}), or wait for its end`
  return new FlotillaError('TASK_OPEN', `task ${taskId} has not ended yet${what}. ${remedy}`)
}

function assertStep({ taskId, steps }: TaskResult, fromStep: number): void {
  const most = Math.max(1, steps.length)
  if (Number.isInteger(fromStep) && fromStep >= 1 && fromStep <= most) return
  const message = `task ${taskId} has ${plural(steps.length, 'step')}: a fork can begin at ${most === 1 ? 'step 1' : `step 1 to ${most}`}, not at ${fromStep}`
  throw new FlotillaError('REQUEST_INVALID', message)
}

/** A named model or profile takes the place of whatever chose the model before. */
function changes({ agent, model, profile, instructions, maxCost, priority, userId }: ForkOptions) {
  const chosen = model !== undefined || profile !== undefined
  const named = { agent, model, profile, instructions, maxCost, priority, userId }
  const set = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined))
  const unset = {
    ...(chosen ? { model: undefined, strategy: undefined } : {}),
    ...(profile === undefined && model === undefined ? {} : { profile: undefined }),
    ...(agent === undefined ? {} : { mode: undefined }),
  }
  return { ...unset, ...set } as unknown as Partial<TaskInput>
}
