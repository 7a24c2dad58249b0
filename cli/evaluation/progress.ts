// Progress of an evaluation on stderr: a bar on a terminal, a line for each case in a pipe.
import type { EvaluationCase } from '../../api/schemas/evaluations.ts'
import type { Progress } from '../../evaluation/run.ts'
import { paint, say } from '../output/output.ts'
import { canRewrite, StatusLine } from '../output/status-line.ts'
import { elapsed, money } from '../output/units.ts'

const BAR = 24

export class EvaluationProgress {
  readonly #isQuiet: boolean
  readonly #line: StatusLine | null
  readonly #startedAtMs = Date.now()
  #progress: Progress
  #failed = 0

  constructor(total: number, isQuiet: boolean) {
    this.#isQuiet = isQuiet
    this.#progress = { done: 0, total, spent: 0 }
    const isBar = !isQuiet && canRewrite(process.stderr)
    this.#line = isBar ? new StatusLine(process.stderr, () => this.#text()) : null
    this.#line?.start()
  }

  add({ caseId, model, epoch, score, passed, problem }: EvaluationCase, progress: Progress): void {
    this.#progress = progress
    if (!passed) this.#failed += 1
    if (this.#isQuiet || this.#line !== null) return
    const outcome =
      score === null ? `not scored: ${problem}` : `${passed ? 'passed' : 'failed'} ${score.toFixed(2)}`
    say(`${progress.done}/${progress.total} ${caseId} ${model} epoch ${epoch}: ${outcome}`)
  }

  note(message: string): void {
    this.#line?.clear()
    say(paint('yellow', message))
  }

  /** Says so when the signal aborts: what runs inside the command takes a while to stop. */
  noteEnding(signal: AbortSignal): void {
    signal.addEventListener('abort', () => {
      this.end()
      say(paint('yellow', 'stopping; Ctrl-C again leaves at once'))
    })
  }

  end(): void {
    this.#line?.stop()
  }

  #text(): string {
    const { done, total, spent } = this.#progress
    const filled = total === 0 ? BAR : Math.round((BAR * done) / total)
    const bar = '█'.repeat(filled) + '░'.repeat(BAR - filled)
    const took = Date.now() - this.#startedAtMs
    const left =
      done === 0 || done === total ? '' : ` · about ${elapsed((took / done) * (total - done))} left`
    return `${bar} ${done}/${total} · ${this.#failed} not passed · ${money(spent)}${left}`
  }
}
