// Runs what users really asked through a candidate, and says what would have changed.
//
// 1. It reads tasks.completed as a reader of its own. Its position is stored with the run, once every task before it is
//    dealt with: a run that was stopped or killed goes on there, and takes a page of tasks again at most.
// 2. A task is forked under an id made of run and task: taken again, it is not paid again.
// 3. The candidate's tool calls are answered by recorded outcomes, or refused: nothing outside changes.
// 4. Which tasks are taken is decided by a hash of their ids, so that the same sample is taken again.
// 5. With a cost limit nothing is submitted that, by the mean of what was paid so far, would pass it; until one task is
//    paid for, one at a time runs.
import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EvaluationCase, EvaluationRun } from '../api/schemas/evaluations.ts'
import type { EndedTask } from '../api/schemas/results.ts'
import type { Client, TaskResult } from '../client/types.ts'
import type { Operator } from '../operator/index.ts'
import { shadowTask, type Candidate, type ShadowTaskParts } from './shadow-task.ts'
import { storedCases } from './stored-cases.ts'
import { askingOf } from './tasks.ts'

export interface ShadowSettings {
  /** Tasks that were submitted before it are left out. */
  readonly sinceMs: number
  /** Share of the tasks, 0 to 1. */
  readonly sample: number
  readonly candidate: Candidate
  readonly tools: 'recorded' | 'refuse'
  /** True: goes on with tasks as they end, until it is stopped. False: those that had ended when the run began. */
  readonly follow: boolean
}

export interface ShadowOptions {
  /** Tasks of the run at most; null: all. */
  readonly limit: number | null
  readonly concurrency: number
  /** US dollars, for the whole run; null: no limit. */
  readonly maxCost: number | null
}

export interface ShadowParts {
  readonly client: Client
  readonly operator: Pick<Operator, 'evaluations' | 'forks' | 'results'>
  readonly signal: AbortSignal
  readonly onCase: (scored: EvaluationCase, progress: { done: number; total: number; spent: number }) => void
}

/** The limit of tasks, that of cost, or an interrupt. */
export type Stop = 'limit' | 'cost' | 'interrupt'

export interface Shadowed {
  readonly run: EvaluationRun
  readonly cases: readonly EvaluationCase[]
  /** Results of the tasks that this session ran through the candidate. */
  readonly origins: ReadonlyMap<string, TaskResult>
  /** Tasks that can't be run again, and why. */
  readonly skipped: readonly { readonly taskId: string; readonly why: string }[]
  /** Why it stopped before the end; null: it did not. */
  readonly stopped: Stop | null
  /** Tasks without a score. */
  readonly leftOut: number
  /** Results that retention deleted before they were read. */
  readonly lost: number
}

/** Results of one page: as many are taken again after a kill. */
const PAGE = 60
const POLL_MS = 2_000
const ended: readonly string[] = ['succeeded', 'failed', 'timed_out']

/** Resolves at the end of what the log has, at a limit, or when `signal` aborts. */
export async function shadow(
  run: EvaluationRun,
  settings: ShadowSettings,
  options: ShadowOptions,
  parts: ShadowParts,
): Promise<Shadowed> {
  const session = new Session(run, await storedCases(run.id, parts.operator.evaluations), {
    ...parts,
    ...settings,
    ...options,
  })
  await session.work()
  return session.shadowed()
}

type Given = ShadowSettings & ShadowOptions & ShadowParts

class Session {
  #run: EvaluationRun
  readonly #given: Given
  readonly #task: ShadowTaskParts
  readonly #cases = new Map<string, EvaluationCase>()
  readonly #origins = new Map<string, TaskResult>()
  readonly #skipped = new Map<string, string>()
  #stopped: Stop | null = null
  #running = 0
  #lost = 0

  constructor(run: EvaluationRun, stored: readonly EvaluationCase[], given: Given) {
    this.#run = run
    this.#given = given
    const { candidate, tools, client, operator, signal } = given
    this.#task = { run, candidate, tools, client, operator, asking: askingOf(run, client, signal) }
    for (const each of stored) this.#cases.set(each.caseId, each)
  }

  async work(): Promise<void> {
    const unscored = [...this.#cases.values()].filter(({ score }) => score === null)
    await this.#take(unscored.map(({ caseId }) => caseId))
    while (this.#stopped === null) {
      const page = await this.#page()
      this.#lost += page.lost
      await this.#take(page.results.filter((each) => this.#isWanted(each)).map(({ taskId }) => taskId))
      // Some of the page may be left.
      if (this.#stopped !== null) return
      if (page.after !== this.#run.position) await this.#keep(page.after)
      if (!page.more && !(await this.#waited())) return
    }
  }

  shadowed(): Shadowed {
    const cases = [...this.#cases.values()]
    return {
      run: { ...this.#run, cases: cases.length },
      cases,
      origins: this.#origins,
      skipped: [...this.#skipped].map(([taskId, why]) => ({ taskId, why })),
      stopped: this.#stopped,
      leftOut: cases.filter(({ score }) => score === null).length,
      lost: this.#lost,
    }
  }

  #page() {
    const { operator, sinceMs } = this.#given
    const { position = null } = this.#run
    return operator.results.page({ limit: PAGE, sinceMs, ...(position === null ? {} : { after: position }) })
  }

  async #keep(position: string): Promise<void> {
    const cases = this.#cases.size
    this.#run = await this.#given.operator.evaluations.save({ ...this.#run, position, cases })
  }

  /** False: nothing more is wanted. */
  async #waited(): Promise<boolean> {
    const { follow, signal } = this.#given
    if (!follow) return false
    await sleep(POLL_MS, undefined, { signal }).catch(() => {})
    if (signal.aborted) this.#stopped = 'interrupt'
    return !signal.aborted
  }

  /** Cases of evaluations and forks are not what users asked. */
  #isWanted({ taskId, status, forkedFrom, submittedAtMs, completedAtMs }: EndedTask): boolean {
    const { sinceMs, sample, follow } = this.#given
    if (!ended.includes(status) || forkedFrom !== null || taskId.startsWith('eval-')) return false
    // Else a fleet that is faster than the candidate would keep it running forever.
    if (!follow && completedAtMs > this.#run.startedAtMs) return false
    return submittedAtMs >= sinceMs && isSampled(taskId, sample) && !this.#cases.has(taskId)
  }

  async #take(taskIds: readonly string[]): Promise<void> {
    const waiting = [...taskIds]
    const worker = async (): Promise<void> => {
      while (waiting.length > 0 && this.#mayStart()) await this.#do(waiting.shift() ?? '', waiting)
    }
    const workers = Array.from({ length: this.#given.concurrency }, worker)
    const failed = (await Promise.allSettled(workers)).find((each) => each.status === 'rejected')
    if (failed && !this.#given.signal.aborted) throw failed.reason
    if (this.#given.signal.aborted) this.#stopped = 'interrupt'
    else if (waiting.length > 0) this.#stopped = this.#limitReached()
  }

  async #do(taskId: string, waiting: readonly string[]): Promise<void> {
    const { maxCost, operator, onCase } = this.#given
    this.#running += 1
    try {
      const left = maxCost === null ? null : Math.max(maxCost - this.#spent(), Number.EPSILON)
      const one = await shadowTask(this.#task, taskId, left, this.#cases.get(taskId))
      if (typeof one === 'string') return void this.#skipped.set(taskId, one)
      await operator.evaluations.add(this.#run.id, [one.row])
      this.#cases.set(taskId, one.row)
      this.#origins.set(taskId, one.origin)
      const done = this.#cases.size + this.#skipped.size
      onCase(one.row, { done, total: done + waiting.length + this.#running - 1, spent: this.#spent() })
    } finally {
      this.#running -= 1
    }
  }

  #mayStart(): boolean {
    const { maxCost, limit, signal } = this.#given
    if (signal.aborted) return false
    const paid = this.#scored()
    if (limit !== null && paid + this.#running >= limit) return false
    if (maxCost === null) return true
    if (paid === 0) return this.#running === 0 && this.#spent() < maxCost
    return this.#spent() * (1 + (this.#running + 1) / paid) <= maxCost
  }

  #limitReached(): Stop {
    const { limit } = this.#given
    return limit !== null && this.#scored() >= limit ? 'limit' : 'cost'
  }

  #scored(): number {
    return [...this.#cases.values()].reduce((sum, { score }) => sum + Number(score !== null), 0)
  }

  #spent(): number {
    return [...this.#cases.values()].reduce((sum, { cost }) => sum + cost, 0)
  }
}

const isSampled = (taskId: string, sample: number): boolean =>
  Number.parseInt(hash('sha256', taskId).slice(0, 8), 16) / 2 ** 32 < sample
