// Runs what users really asked through a candidate, and says what would have changed.
//
// 1. It reads tasks.completed as a reader of its own. Its position is stored with the run, once every task before it is
//    dealt with: a run that was stopped or killed goes on there, and takes a page of tasks again at most.
// 2. A task is forked under an id made of run and task: taken again, it is not paid again.
// 3. The candidate's tool calls are answered by recorded outcomes, or refused: nothing outside changes.
// 4. Which tasks are taken is decided by a hash of their ids, so that the same sample is taken again.
// 5. With a cost limit the forks never cost more together (spending.ts).
import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EvaluationCase, EvaluationRun } from '../api/schemas/evaluations.ts'
import type { EndedTask } from '../api/schemas/results.ts'
import type { Client, TaskResult } from '../client/types.ts'
import type { Operator } from '../operator/index.ts'
import { shortened } from '../runtime/text/bounded-text.ts'
import { shadowTask, type Candidate, type ShadowTaskParts } from './shadow-task.ts'
import { Budget, Tally } from './spending.ts'
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

export interface OriginBeginning {
  /** Beginning of its output, as JSON. */
  readonly output: string
  /** US dollars. */
  readonly cost: number
  readonly executionTime: number
}

/** The limit of tasks, that of cost, or an interrupt. */
export type Stop = 'limit' | 'cost' | 'interrupt'

export interface Shadowed {
  readonly run: EvaluationRun
  readonly cases: readonly EvaluationCase[]
  /** The tasks that this session ran through the candidate, as they really ended. */
  readonly origins: ReadonlyMap<string, OriginBeginning>
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
  readonly #tally: Tally
  readonly #budget: Budget
  readonly #origins = new Map<string, OriginBeginning>()
  readonly #skipped = new Map<string, string>()
  #stopped: Stop | null = null
  #lost = 0

  constructor(run: EvaluationRun, stored: readonly EvaluationCase[], given: Given) {
    this.#run = run
    this.#given = given
    const { candidate, tools, client, operator, signal } = given
    this.#task = { run, candidate, tools, client, operator, asking: askingOf(run, client, signal) }
    this.#tally = new Tally(stored.map(slim), ({ caseId }) => caseId)
    this.#budget = new Budget(this.#tally, given)
  }

  async work(): Promise<void> {
    const unscored = this.#tally.cases().filter(({ score }) => score === null)
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

  async shadowed(): Promise<Shadowed> {
    const cases = await storedCases(this.#run.id, this.#given.operator.evaluations)
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
    const cases = this.#tally.size
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

  /** Cases of evaluations and forks are not what users asked; nor are tasks of agents, which are seen later. */
  #isWanted({ taskId, status, forkedFrom, submittedAtMs, completedAtMs }: EndedTask): boolean {
    const { sinceMs, sample, follow } = this.#given
    if (!ended.includes(status) || forkedFrom !== null || taskId.startsWith('eval-')) return false
    // Else a fleet that is faster than the candidate would keep it running forever.
    if (!follow && completedAtMs > this.#run.startedAtMs) return false
    return submittedAtMs >= sinceMs && isSampled(taskId, sample) && !this.#tally.has(taskId)
  }

  async #take(taskIds: readonly string[]): Promise<void> {
    const waiting = [...taskIds]
    const workers = Array.from({ length: this.#given.concurrency }, () => this.#worker(waiting))
    const failed = (await Promise.allSettled(workers)).find((each) => each.status === 'rejected')
    if (failed && !this.#given.signal.aborted) throw failed.reason
    if (this.#given.signal.aborted) this.#stopped = 'interrupt'
    else if (waiting.length > 0) this.#stopped = this.#isFull() ? 'limit' : 'cost'
  }

  async #worker(waiting: string[]): Promise<void> {
    while (waiting.length > 0 && !this.#given.signal.aborted) {
      const share = this.#isFull() ? null : this.#budget.begin()
      if (share !== null)
        await this.#do(waiting.shift() ?? '', share, waiting).finally(() => this.#budget.end(share))
      else if (this.#budget.running > 0) await this.#budget.ended()
      else return
    }
  }

  async #do(taskId: string, share: number, waiting: readonly string[]): Promise<void> {
    const { operator, onCase } = this.#given
    const one = await shadowTask(this.#task, taskId, share, this.#tally.get(taskId))
    if (one === null) return
    if (typeof one === 'string') return void this.#skipped.set(taskId, one)
    await operator.evaluations.add(this.#run.id, [one.row])
    this.#tally.put(slim(one.row))
    this.#origins.set(taskId, beginningOf(one.origin))
    const done = this.#tally.size + this.#skipped.size
    const total = done + waiting.length + this.#budget.running - 1
    onCase(one.row, { done, total, spent: this.#tally.spent })
  }

  /** As many tasks are scored, or run, as were asked for. */
  #isFull(): boolean {
    const { limit } = this.#given
    return limit !== null && this.#tally.scored + this.#budget.running >= limit
  }
}

const isSampled = (taskId: string, sample: number): boolean =>
  Number.parseInt(hash('sha256', taskId).slice(0, 8), 16) / 2 ** 32 < sample

/** What the session needs of a case: with `follow` there is no end to them. The store has all of it. */
const slim = (row: EvaluationCase): EvaluationCase => ({
  ...row,
  scores: [],
  input: '',
  output: null,
  metadata: {},
})

const SHOWN_CHARS = 200

const beginningOf = ({ output, usage, executionTime }: TaskResult): OriginBeginning => ({
  output: shortened(JSON.stringify(output), SHOWN_CHARS),
  cost: usage.cost,
  executionTime,
})
