// One run of an evaluation: cases × models × epochs, a few at a time, each stored as soon as it is scored.
//
// 1. What is stored with a score is done, and is not asked again when the run is resumed.
// 2. The first epoch of every case comes before the second of any, so that a run which stops early has seen all.
// 3. With a cost limit nothing is submitted that, by the mean of what was paid so far, would pass it; until one case
//    is paid for, one at a time runs. What is left out is said.
import type { EvaluationCase, EvaluationRun } from '../api/schemas/evaluations.ts'
import type { Client, TaskResult } from '../client/types.ts'
import type { EvaluationOperator } from '../operator/index.ts'
import { FlotillaError, messageOf } from '../runtime/errors.ts'
import type { SchemaChecks } from '../runtime/foreign-schema/checks.ts'
import type { Json } from '../schemas/json.ts'
import type { Answer, Case } from './cases.ts'
import {
  caseRow,
  itemsOf,
  judgeTaskOf,
  keyOf,
  taskOf,
  unscored,
  type CommonFields,
  type Item,
} from './rows.ts'
import { scoreCase, type Scored, type Verdict } from './score.ts'
import { verdictIn } from './scorers/judge.ts'
import type { SpecOf } from './scorers/specs.ts'
import { storedCases } from './stored-cases.ts'
import { summarise } from './summary.ts'
import { askFleet, askingOf, isNoAnswer, taskIdOf, type Asking } from './tasks.ts'

export interface RunSettings {
  readonly concurrency: number
  /** US dollars, judges included; null: no limit. */
  readonly maxCost: number | null
  /** The agent of judges; null: no scorer needs one. */
  readonly judgeAgent: string | null
  /** Fields of every task. */
  readonly task: CommonFields
}

export interface RunParts {
  readonly client: Client
  readonly evaluations: EvaluationOperator
  readonly schemas: SchemaChecks
  /** Aborts: nothing more is submitted, and running tasks are left to the fleet. */
  readonly signal: AbortSignal
  readonly onCase: (scored: EvaluationCase, progress: Progress) => void
  readonly onWarning: (message: string) => void
}

export interface Progress {
  readonly done: number
  readonly total: number
  readonly spent: number
}

export interface Outcome {
  readonly run: EvaluationRun
  readonly cases: readonly EvaluationCase[]
  /** Why it stopped before the end; null: it did not. */
  readonly stopped: string | null
  readonly leftOut: number
}

export async function runCases(
  run: EvaluationRun,
  cases: readonly Case[],
  settings: RunSettings,
  parts: RunParts,
): Promise<Outcome> {
  const stored = await storedCases(run.id, parts.evaluations)
  const session = new Session(run, cases, stored, settings, parts)
  await session.work()
  const ended = await parts.evaluations.save(session.ended())
  return { run: ended, cases: session.cases(), stopped: session.stopped, leftOut: session.leftOut() }
}

class Session {
  stopped: string | null = null
  readonly #run: EvaluationRun
  readonly #settings: RunSettings
  readonly #parts: RunParts
  readonly #asking: Asking
  readonly #scored = new Map<string, EvaluationCase>()
  readonly #waiting: Item[]
  readonly #total: number
  #running = 0
  #warned = false

  constructor(
    run: EvaluationRun,
    cases: readonly Case[],
    stored: readonly EvaluationCase[],
    settings: RunSettings,
    parts: RunParts,
  ) {
    this.#run = run
    this.#settings = settings
    this.#parts = parts
    this.#asking = askingOf(run, parts.client, parts.signal)
    for (const each of stored) this.#scored.set(keyOf(each.caseId, each.model, each.epoch), each)
    const items = itemsOf(run, cases)
    this.#total = items.length
    this.#waiting = items.filter(({ of, model, epoch }) => {
      const before = this.#scored.get(keyOf(of.id, model, epoch))
      return before === undefined || before.score === null
    })
  }

  /** Resolves when nothing is left, or nothing more may be submitted and what runs has ended. */
  async work(): Promise<void> {
    const { concurrency } = this.#settings
    const workers = Array.from({ length: concurrency }, () => this.#worker())
    const ended = await Promise.allSettled(workers)
    const failed = ended.find((each) => each.status === 'rejected')
    if (failed && !this.#parts.signal.aborted) throw failed.reason
    if (this.#parts.signal.aborted) this.stopped = 'it was interrupted'
  }

  cases(): EvaluationCase[] {
    return [...this.#scored.values()]
  }

  leftOut(): number {
    return this.#total - this.cases().filter(({ score }) => score !== null).length
  }

  ended(): EvaluationRun {
    const summary = summarise(this.#run.models, this.cases()) as unknown as Json
    const status = this.stopped === null ? 'completed' : 'stopped'
    return { ...this.#run, status, endedAtMs: Date.now(), summary }
  }

  async #worker(): Promise<void> {
    for (;;) {
      if (this.#parts.signal.aborted || this.stopped !== null) return
      if (!this.#mayStart()) {
        if (this.#running === 0 || this.#paid().length > 0) {
          if (this.#waiting.length > 0) this.stopped = `the cost limit of $${this.#settings.maxCost} is near`
          return
        }
        // The one that runs says what a case costs; its worker goes on, and the others are not needed until then.
        await this.#ended()
        continue
      }
      const item = this.#waiting.shift()
      if (item === undefined) return
      this.#running += 1
      try {
        await this.#do(item)
      } catch (error) {
        // The others stop too: what failed is the fleet, not a case.
        this.stopped ??= messageOf(error)
        throw error
      } finally {
        this.#running -= 1
        this.#wake()
      }
    }
  }

  #sleepers: (() => void)[] = []

  #ended(): Promise<void> {
    return new Promise((resolve) => this.#sleepers.push(resolve))
  }

  #wake(): void {
    const sleepers = this.#sleepers
    this.#sleepers = []
    for (const wake of sleepers) wake()
  }

  #spent(): number {
    return this.cases().reduce((sum, { cost, judgeCost }) => sum + cost + judgeCost, 0)
  }

  #paid(): EvaluationCase[] {
    return this.cases().filter(({ score }) => score !== null)
  }

  #mayStart(): boolean {
    const { maxCost } = this.#settings
    if (maxCost === null || this.#waiting.length === 0) return true
    const paid = this.#paid()
    if (paid.length === 0) return this.#running === 0
    const mean = this.#spent() / paid.length
    return this.#spent() + mean * (this.#running + 1) <= maxCost
  }

  async #do(item: Item): Promise<void> {
    const { of, model, epoch } = item
    const { maxCost, task } = this.#settings
    const left = maxCost === null ? null : Math.max(maxCost - this.#spent(), Number.EPSILON)
    const asked = taskOf(this.#run, item, left, task)
    const result = await askFleet(this.#asking, {
      submit: (taskId) => this.#parts.client.submit({ ...asked, taskId }),
      idOf: (attempt) => taskIdOf(this.#run.id, [of.hash, of.id, model, epoch], attempt),
      before: this.#scored.get(keyOf(of.id, model, epoch)),
    })
    const row = caseRow(
      item,
      result,
      isAnswer(result, left) ? await this.#score(item, result) : unscored(result),
    )
    await this.#parts.evaluations.add(this.#run.id, [row])
    this.#scored.set(keyOf(of.id, model, epoch), row)
    const progress = { done: this.#total - this.leftOut(), total: this.#total, spent: this.#spent() }
    this.#parts.onCase(row, progress)
    if (row.score !== null) await this.#joinLive(row)
  }

  #score(item: Item, result: TaskResult): Promise<Scored> {
    return scoreCase(item.of, result, {
      schemas: this.#parts.schemas,
      judge: (spec, name, answer) => this.#judge(spec, name, answer),
    })
  }

  /** The id of the judge's task is made of the answer's: it is paid once for each answer. */
  async #judge(spec: SpecOf<'judge'>, name: string, answer: Answer): Promise<Verdict> {
    const { judgeAgent, task } = this.#settings
    const more = { agent: judgeAgent ?? '', ...(task.userId === undefined ? {} : { userId: task.userId }) }
    const asked = judgeTaskOf(this.#run, answer, spec, more)
    const result = await askFleet(this.#asking, {
      submit: (taskId) => this.#parts.client.submit({ ...asked, taskId }),
      idOf: (attempt) => taskIdOf(this.#run.id, [answer.result.taskId, 'judge', name], attempt),
    })
    const score = result.status === 'succeeded' ? verdictIn(result.output) : null
    const { cost, costIsGuess } = result.usage
    const why = `the judge ${name} gave no verdict: ${result.error?.message ?? result.status}`
    return { score, problem: score === null ? why : null, cost, costIsGuess }
  }

  /** Live evaluation shows the score with the task. */
  async #joinLive({ taskId, score }: EvaluationCase): Promise<void> {
    try {
      await this.#parts.client.scoreQuality({
        taskId,
        quality: score ?? 0,
        scorer: `evaluation ${this.#run.id}`,
      })
    } catch (error) {
      if (!(error instanceof FlotillaError)) throw error
      if (!this.#warned)
        this.#parts.onWarning(`scores do not reach the fleet's own figures: ${error.message}`)
      this.#warned = true
    }
  }
}

/** Not if the fleet refused it, or the run's own cost limit cut it off. */
const isAnswer = (result: TaskResult, left: number | null): boolean =>
  !isNoAnswer(result) && !(left !== null && result.error?.code === 'COST_LIMIT' && result.usage.cost >= left)
