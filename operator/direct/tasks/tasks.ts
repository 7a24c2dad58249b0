// Tasks: from the ledger, which has them from their submission on, and from the log, which says what they do.
//
// 1. A task is unknown only if that is certain: neither the ledger nor the log has its result, and metering
//    has read every submission of its lane, or those that it has not read yet are of other tasks.
// 2. What can't be decided, because metering is far behind, counts as known.
import type { Codec } from '../../../runtime/codec/port.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { FlotillaError, hasCode } from '../../../runtime/errors.ts'
import { askedOf } from '../../../runtime/ledger/asked.ts'
import { isOpenState } from '../../../runtime/ledger/choices.ts'
import {
  endedTask,
  isEnded,
  listTasks,
  noWaits,
  openTask,
  recordedText,
  type EndedRow,
  type OpenRow,
  type RecordedText,
  type TaskFilter,
  type TaskQuery,
  type TaskState,
  type UnreadWaits,
} from '../../../runtime/ledger/tasks.ts'
import { homeOf } from '../../../runtime/log/home.ts'
import type { Log } from '../../../runtime/log/port.ts'
import { defaultAgentOf } from '../../../runtime/config/defaults.ts'
import { readPauses, type Pause } from '../../../runtime/pauses.ts'
import type { Sql } from '../../../runtime/store/sql.ts'
import type { TaskCompleted, TaskProgressed } from '../../../schemas/generated/events.ts'
import { shown } from '../../../schemas/identity.ts'
import { taskIdPattern } from '../../../schemas/task-id.ts'
import { cancelMatching, type CancelAnswer, type CancelOptions } from './cancel.ts'
import { phaseOf, type Phase } from './phase.ts'
import { progressOf, type Progress, type Wanted } from './progress.ts'
import { unreadSubmission, unreadWaits } from './unread.ts'
import { taskTree, type TaskTree } from './tree.ts'

export interface TaskView {
  taskId: string
  status: TaskState
  /** What an open task does or waits for; null once it has ended. */
  phase: Phase | null
  /** Since when, epoch milliseconds. */
  sinceMs: number
  /** Detail of the phase: a tool, an error code, a model, a stage. */
  detail: string | null
  step: number | null
  /** Priority by which the queue takes the task; null unless it is queued. */
  priority: number | null
  agent: string | null
  userId: string | null
  model: string | null
  profile: string | null
  /** Conversation that it belongs to, and task that it was made from; null if none, or not known any more. */
  sessionId: string | null
  parent: string | null
  /** Beginning of what was asked; null for tasks that ended before the ledger kept it. */
  text: string | null
  lane: number
  submittedAtMs: number
  completedAtMs: number | null
  modelCalls: number | null
  steps: number | null
  inputTokens: number
  outputTokens: number
  /** US dollars, so far. */
  cost: number
  errorCode: string | null
}

export interface TaskDetail extends TaskView {
  /** Tells texts apart: the id of this task with another text is a conflict. */
  textHash: string | null
  /** What happened to it, oldest first; of a task that has ended, nothing: see its result. */
  events: readonly TaskProgressed[]
  /** False: earlier events are further back in the log than is read. */
  eventsWhole: boolean
}

/** Whose a task is, and when it ran. */
export interface TaskOrigin {
  readonly userId: string | null
  readonly agent: string | null
  readonly submittedAtMs: number
  /** Null: it has not ended, as far as the ledger and the log say. */
  readonly endedAtMs: number | null
}

export interface TaskList {
  tasks: TaskView[]
  /** `after` of the next page; null on the last. */
  next: string | null
}

export interface TaskOperator {
  /** Open and ended ones, the latest submitted first. A page may be short of its limit and still have a next. */
  list(query?: TaskQuery): Promise<TaskList>
  /** Rejects with TASK_UNKNOWN, or with SEARCH_UNFINISHED if that can't be decided yet. */
  get(taskId: string): Promise<TaskDetail>
  /** The task with all that it delegated. Rejects as `get` does. */
  tree(taskId: string): Promise<TaskTree>
  /** Cancels the open tasks that match. Rejects with REQUEST_INVALID without a filter. */
  cancel(options: CancelOptions): Promise<CancelAnswer>
}

export interface TaskParts {
  readonly log: Log
  readonly codec: Codec
  readonly sql: Sql
  readonly fleet: Pick<Fleet, 'agents' | 'defaultAgent'>
  /** The result that the log has. */
  readonly find: (taskId: string) => Promise<TaskCompleted | null>
  readonly cancel: (taskId: string, reason: string | undefined) => Promise<void>
}

/** Pages without a match that are read for one answer. */
const MAX_EMPTY_PAGES = 10

export class DirectTasks implements TaskOperator {
  readonly #parts: TaskParts

  constructor(parts: TaskParts) {
    this.#parts = parts
  }

  async list(query: TaskQuery = {}): Promise<TaskList> {
    // Who waits for a person is not to wait for metering too.
    const unread = query.waiting === true ? await unreadWaits(this.#parts) : noWaits
    let page = await this.#page(query, unread)
    // Only the log says what an open task does: a page may hold none that match.
    for (let pages = 1; page.tasks.length === 0 && page.next !== null && pages < MAX_EMPTY_PAGES; pages++)
      page = await this.#page({ ...query, after: page.next }, unread)
    return page
  }

  tree(taskId: string): Promise<TaskTree> {
    const { sql, fleet } = this.#parts
    const open = new Map<string, OpenRow>()
    const children = async (parent: string, limit: number): Promise<TaskList> => {
      const { rows, next } = await listTasks(sql, { parent, limit }, defaultAgentOf(fleet), noWaits)
      for (const row of rows) if (!isEnded(row)) open.set(row.task_id, row)
      const tasks = rows.map((row) => (isEnded(row) ? this.#endedView(row) : this.#openView(row, undefined)))
      return { tasks, next }
    }
    const current = async (views: readonly TaskView[]): Promise<TaskView[]> => {
      const rows = views.flatMap(({ taskId: id }) => open.get(id) ?? [])
      const wanted = rows.map(({ task_id, lane }) => ({ taskId: task_id, lane }))
      const [progress, pauses] = await this.#read(wanted, { whole: false })
      return rows.map((row) => this.#openView(row, progress.get(row.task_id), pauses))
    }
    return taskTree({ get: (id) => this.get(id), children, current }, taskId)
  }

  cancel(options: CancelOptions): Promise<CancelAnswer> {
    const { cancel } = this.#parts
    return cancelMatching({ list: (query) => this.list(query), cancel }, options)
  }

  async #page(query: TaskQuery, unread: UnreadWaits): Promise<TaskList> {
    const { sql, fleet } = this.#parts
    const { rows, next } = await listTasks(sql, query, defaultAgentOf(fleet), unread)
    const wanted = rows.flatMap((row) => (isEnded(row) ? [] : [{ taskId: row.task_id, lane: row.lane }]))
    const [progress, pauses] = await this.#read(wanted, { whole: false })
    const views = rows.map((row) =>
      isEnded(row) ? this.#endedView(row) : this.#openView(row, progress.get(row.task_id), pauses),
    )
    return { tasks: views.filter((view) => view.completedAtMs !== null || isWanted(view, query)), next }
  }

  async get(taskId: string): Promise<TaskDetail> {
    assertPossible(taskId)
    const { sql } = this.#parts
    const ended = await endedTask(sql, taskId)
    if (ended) return { ...this.#endedView(ended), textHash: ended.text_hash, events: [], eventsWhole: true }
    const open = await openTask(sql, taskId)
    if (open) return this.#openDetail(open)
    const result = await this.#parts.find(taskId)
    if (result) return this.#resultDetail(result)
    const submitted = await this.#unread(taskId)
    if (submitted) return this.#openDetail(submitted)
    throw unknownTask(taskId)
  }

  /** Rejects with TASK_UNKNOWN, or with SEARCH_UNFINISHED if that can't be decided yet. */
  async origin(taskId: string): Promise<TaskOrigin> {
    assertPossible(taskId)
    const { sql, find } = this.#parts
    const columns = ['user_id', 'agent', 'submitted_at_ms'] as const
    const ended = await sql
      .selectFrom('task_ledger')
      .select([...columns, 'completed_at_ms'])
      .where('task_id', '=', taskId)
      .executeTakeFirst()
    if (ended) return this.#origin(ended, ended.completed_at_ms)
    const running = await sql
      .selectFrom('open_tasks')
      .select(columns)
      .where('task_id', '=', taskId)
      .executeTakeFirst()
    const open = running ?? (await this.#unread(taskId))
    if (open) return this.#origin(open, null)
    const result = await find(taskId)
    if (!result) throw unknownTask(taskId)
    const { userId, agent, submittedAtMs, completedAtMs } = result
    return this.#origin({ user_id: userId, agent, submitted_at_ms: submittedAtMs }, completedAtMs)
  }

  #origin(row: Pick<OpenRow, 'user_id' | 'agent' | 'submitted_at_ms'>, endedAtMs: number | null): TaskOrigin {
    const agent = row.agent ?? defaultAgentOf(this.#parts.fleet)
    return { userId: row.user_id, agent, submittedAtMs: row.submitted_at_ms, endedAtMs }
  }

  /** Rejects with TASK_UNKNOWN. */
  async assertKnown(taskId: string): Promise<void> {
    assertPossible(taskId)
    try {
      await this.#textHashOf(taskId)
    } catch (error) {
      // A cancel must get through while the database is away.
      if (hasCode(error, 'TASK_UNKNOWN')) throw error
    }
  }

  /** True: the id was used for this text before. Rejects with TASK_ID_REUSED if for another one. */
  async isRepeated(taskId: string, text: string): Promise<boolean> {
    if (!taskIdPattern.test(taskId)) return false
    const known = await this.#textHashOf(taskId).catch(() => undefined)
    if (known === undefined || known === null) return false
    assertSameText(taskId, text, known)
    return true
  }

  /** Hash of the text that the task was submitted with; null if not known. Rejects with TASK_UNKNOWN. */
  async #textHashOf(taskId: string): Promise<string | null> {
    const recorded = await this.recordedText(taskId)
    if (recorded) return recorded.hash
    const unread = await this.#unread(taskId)
    if (unread) return unread.text_hash
    const result = await this.#parts.find(taskId)
    if (result) return askedOf(result.text).text_hash
    throw unknownTask(taskId)
  }

  /** What the ledger has of the task's text; null if it does not have the task. One query. */
  recordedText(taskId: string): Promise<RecordedText | null> {
    return recordedText(this.#parts.sql, taskId)
  }

  /** Rejects with SEARCH_UNFINISHED. */
  #unread(taskId: string): Promise<OpenRow | null> {
    return unreadSubmission(this.#parts, taskId)
  }

  /** The user in whose name it was submitted; null: nobody's. Rejects with TASK_UNKNOWN, SEARCH_UNFINISHED. */
  async ownerOf(taskId: string): Promise<string | null> {
    return (await this.origin(taskId)).userId
  }

  async #openDetail(row: OpenRow): Promise<TaskDetail> {
    const wanted = [{ taskId: row.task_id, lane: row.lane }]
    const [found, pauses] = await this.#read(wanted, { whole: true })
    const progress = found.get(row.task_id)
    const { events = [], isWhole = true } = progress ?? {}
    return { ...this.#openView(row, progress, pauses), textHash: row.text_hash, events, eventsWhole: isWhole }
  }

  /** What the log says of open tasks. */
  async #read(
    wanted: readonly Wanted[],
    options: { whole: boolean },
  ): Promise<[Map<string, Progress>, Pause[]]> {
    const { log, codec } = this.#parts
    if (wanted.length === 0) return [new Map(), []]
    return Promise.all([progressOf(this.#parts, wanted, options), readPauses(log, codec)])
  }

  #openView(row: OpenRow, progress: Progress | undefined, pauses: readonly Pause[] = []): TaskView {
    const { used: sum, ...now } = phaseOf(progress, row.submitted_at_ms, row.held, pauses)
    const { modelCalls, inputTokens, outputTokens, cost } = sum ?? row.used
    return {
      taskId: row.task_id,
      ...now,
      agent: row.agent ?? defaultAgentOf(this.#parts.fleet),
      userId: row.user_id,
      model: now.model ?? row.used.model ?? row.model,
      profile: row.profile,
      sessionId: row.session_id,
      parent: row.parent,
      text: row.text_start,
      lane: row.lane,
      submittedAtMs: row.submitted_at_ms,
      completedAtMs: null,
      modelCalls,
      steps: now.step === null ? null : Math.max(0, now.step - 1),
      inputTokens,
      outputTokens,
      cost,
      errorCode: null,
    }
  }

  #endedView(row: EndedRow): TaskView {
    return {
      taskId: row.task_id,
      status: row.status as TaskState,
      phase: null,
      sinceMs: row.completed_at_ms,
      detail: null,
      step: null,
      priority: null,
      agent: row.agent,
      userId: row.user_id,
      model: row.model,
      profile: row.profile,
      sessionId: row.session_id,
      parent: row.parent,
      text: row.text_start,
      lane: homeOf(row.task_id, this.#parts.log.partitions),
      submittedAtMs: row.submitted_at_ms,
      completedAtMs: row.completed_at_ms,
      modelCalls: null,
      steps: row.steps,
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      cost: row.cost,
      errorCode: row.error_code,
    }
  }

  #resultDetail(result: TaskCompleted): TaskDetail {
    const { taskId, usage, text } = result
    const asked = askedOf(text)
    const row: EndedRow = {
      task_id: taskId,
      status: result.status,
      user_id: result.userId,
      agent: result.agent,
      model: result.model,
      profile: result.profile,
      execution_ms: result.executionTime,
      input_tokens: usage.inputTokens,
      output_tokens: usage.outputTokens,
      cost: usage.cost,
      steps: Array.isArray(result.steps) ? result.steps.length : 0,
      error_code: result.error?.code ?? null,
      submitted_at_ms: result.submittedAtMs,
      completed_at_ms: result.completedAtMs,
      session_id: result.sessionId,
      parent: result.parent,
      ...asked,
    }
    return { ...this.#endedView(row), textHash: asked.text_hash, events: [], eventsWhole: true }
  }
}

/** Throws TASK_ID_REUSED unless the task with this hash was asked the same. */
export function assertSameText(taskId: string, text: string, hash: string): void {
  if (askedOf(text).text_hash !== hash) throw reusedId(taskId)
}

/** The same to everyone, so that another user does not learn whether a text is the task's. */
export function reusedId(taskId: string): FlotillaError {
  const message = `task ${taskId} was submitted before, with another text or by another user`
  return new FlotillaError('TASK_ID_REUSED', message)
}

function assertPossible(taskId: string): void {
  if (!taskIdPattern.test(taskId)) throw unknownTask(taskId)
}

export const unknownTask = (taskId: string): FlotillaError =>
  new FlotillaError('TASK_UNKNOWN', `there is no task ${shown(taskId)}`)

/** What the ledger can't filter by, of an open task, which may have ended a moment ago. */
function isWanted({ status, model, phase, cost }: TaskView, query: TaskFilter): boolean {
  const isState = query.status === 'open' ? isOpenState(status) : (query.status ?? status) === status
  const isWaiting = phase === 'approval'
  const isModel = (query.model ?? model) === model
  return isState && isModel && (query.waiting ?? isWaiting) === isWaiting && cost >= (query.minCost ?? 0)
}
