// One run of an evaluation: cases × models × epochs, a few at a time, each stored as soon as it is scored.
//
// 1. What is stored with a score is done, and is not asked again when the run is resumed.
// 2. The first epoch of every case comes before the second of any, so that a run which stops early has seen all.
// 3. With a cost limit the tasks of its cases never cost more together (spending.ts). What is left out is said.
// 4. A case that can't be submitted, or that the limit cut off, has no score, and the others go on.
import type { EvaluationCase, EvaluationRun } from '../api/schemas/evaluations.ts'
import type { Client, TaskResult } from '../client/types.ts'
import type { EvaluationOperator } from '../operator/index.ts'
import { FlotillaError, messageOf, type ErrorCode } from '../runtime/errors.ts'
import type { SchemaChecks } from '../runtime/foreign-schema/checks.ts'
import type { Json } from '../schemas/json.ts'
import type { Answer, Case } from './cases.ts'
import {
  caseRow,
  itemsOf,
  judgeTaskOf,
  keyOf,
  taskOf,
  unasked,
  unscored,
  type CommonFields,
  type Item,
} from './rows.ts'
import { scoreCase, type Scored, type Verdict } from './score.ts'
import { verdictIn } from './scorers/judge.ts'
import type { SpecOf } from './scorers/specs.ts'
import { Budget, Tally } from './spending.ts'
import { storedCases } from './stored-cases.ts'
import { summarise } from './summary.ts'
import { askFleet, askingOf, askWithin, cutOffAttempt, isNoAnswer, taskIdOf, type Asking } from './tasks.ts'

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
  readonly #tally: Tally
  readonly #budget: Budget
  readonly #waiting: readonly Item[]
  readonly #total: number
  #begun = 0
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
    this.#tally = new Tally(stored, ({ caseId, model, epoch }) => keyOf(caseId, model, epoch))
    this.#budget = new Budget(this.#tally, settings)
    const items = itemsOf(run, cases)
    this.#total = items.length
    this.#waiting = items.filter((item) => (this.#stored(item)?.score ?? null) === null)
  }

  #stored({ of, model, epoch }: Item): EvaluationCase | undefined {
    return this.#tally.get(keyOf(of.id, model, epoch))
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
    return this.#tally.cases()
  }

  leftOut(): number {
    return this.#total - this.#tally.scored
  }

  ended(): EvaluationRun {
    const summary = summarise(this.#run.models, this.cases()) as unknown as Json
    const status = this.stopped === null ? 'completed' : 'stopped'
    return { ...this.#run, status, endedAtMs: Date.now(), summary }
  }

  async #worker(): Promise<void> {
    while (!this.#parts.signal.aborted && this.stopped === null) {
      const item = this.#waiting[this.#begun]
      if (item === undefined) return
      const share = this.#budget.begin()
      if (share !== null) {
        this.#begun += 1
        await this.#begin(item, share)
      } else if (this.#budget.running > 0) await this.#budget.ended()
      else this.stopped = `the cost limit of $${this.#settings.maxCost} is near`
    }
  }

  async #begin(item: Item, share: number): Promise<void> {
    try {
      await this.#do(item, share)
    } catch (error) {
      // The others stop too: what failed is the fleet, not a case.
      this.stopped ??= messageOf(error)
      throw error
    } finally {
      this.#budget.end(share)
    }
  }

  async #do(item: Item, share: number): Promise<void> {
    const row = await this.#rowOf(item, share)
    await this.#parts.evaluations.add(this.#run.id, [row])
    this.#tally.put(row)
    const progress = { done: this.#tally.scored, total: this.#total, spent: this.#tally.spent }
    this.#parts.onCase(row, progress)
    if (row.score !== null) await this.#joinLive(row)
  }

  async #rowOf(item: Item, share: number): Promise<EvaluationCase> {
    const { of, model, epoch } = item
    const { client } = this.#parts
    const idOf = (attempt: number) => taskIdOf(this.#run.id, [of.hash, of.id, model, epoch], attempt)
    try {
      const { result, isCutOff } = await askWithin(
        this.#asking,
        {
          submit: (taskId, maxCost) =>
            client.submit({ ...taskOf(this.#run, item, maxCost, this.#settings.task), taskId }),
          idOf,
          behind: cutOffAttempt(this.#stored(item)),
        },
        share,
      )
      const isAnswer = !isCutOff && !isNoAnswer(result)
      return caseRow(item, result, isAnswer ? await this.#score(item, result) : unscored(result))
    } catch (error) {
      if (!isOfTheCase(error)) throw error
      const refused = unasked(idOf(1), error)
      return caseRow(item, refused, unscored(refused))
    }
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
    const idOf = (attempt: number) => taskIdOf(this.#run.id, [answer.result.taskId, 'judge', name], attempt)
    const result = await askFleet(this.#asking, {
      submit: (taskId) => this.#parts.client.submit({ ...asked, taskId }),
      idOf,
    }).catch((error: unknown) => {
      if (isOfTheCase(error)) return unasked(idOf(1), error)
      throw error
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

/** Refusals of one task: the others are asked all the same. */
const ofTheCase: ReadonlySet<string> = new Set<ErrorCode>([
  'TASK_INVALID',
  'TASK_ID_REUSED',
  'REQUEST_INVALID',
  'RECORD_TOO_LARGE',
])

const isOfTheCase = (error: unknown): error is FlotillaError =>
  error instanceof FlotillaError && ofTheCase.has(error.code)
