// An executor of scripted steps behind the port of code-sandbox: deterministic, in memory, without a process.
//
// A step is lines, each one instruction:
//   print WORDS            prints them
//   call a=T(M) b=U(N)     calls tools T and U together with the marks M and N; a failed call raises
//   try a=T(M)             the same, where a failure is a value
//   random a               binds what differs from run to run: a rebuilt session diverges
//   value a                the step's value
//   final a                ends the task with this variable
//   raise WORDS            an exception
//   spin                   computes for longer than allowed
// A session is its log: the live one is a cache, and is rebuilt by running its steps again with the recorded
// results.
import { FlotillaError } from '../../runtime/errors.ts'
import type { Json } from '../../schemas/json.ts'
import type {
  Executor,
  Finished,
  Outcome,
  PendingCall,
  ResultEntry,
  Session,
  StepEntry,
  StepError,
  StepOptions,
} from '../../services/code-sandbox/executors/port.ts'
import {
  argsHashOf,
  doneAt,
  hashOf,
  pausedAt,
  positionOf,
  stepsOf,
  type JournalledStep,
} from '../../services/code-sandbox/executors/session-journal.ts'

export interface ScriptSurroundings {
  readonly wait: (ms: number) => Promise<void>
  readonly between: (least: number, most: number) => number
  /** Rejects now with SANDBOX_UNAVAILABLE. */
  readonly fails: () => boolean
  /** The live session is lost now. */
  readonly forgets: () => boolean
}

type Script = Generator<PendingCall[], Finished, readonly ResultEntry[]>

interface Live {
  place: string
  variables: Map<string, Json>
  script: Script | null
  calls: number
}

class Diverged extends Error {}

export class ScriptExecutor implements Executor {
  readonly name = 'wasm'
  readonly #live = new Map<string, Live>()
  readonly #around: ScriptSurroundings

  constructor(around: ScriptSurroundings) {
    this.#around = around
  }

  run(session: Session, step: StepEntry, options: StepOptions): Promise<Outcome> {
    return this.#at(session, options, (live) => {
      live.script = script(step, live.variables, this.#around)
      live.calls = 0
      return advance(live, step.n, [])
    })
  }

  resume(session: Session, results: readonly ResultEntry[], options: StepOptions): Promise<Outcome> {
    return this.#at(session, options, (live) => advance(live, results[0]?.n ?? -1, results))
  }

  async #at(session: Session, { signal }: StepOptions, go: (live: Live) => Outcome): Promise<Outcome> {
    const { wait, between, fails, forgets } = this.#around
    if (forgets()) this.#live.delete(session.id)
    await wait(between(1, 400))
    if (signal.aborted) throw new FlotillaError('CALL_ABORTED', 'the step was stopped')
    if (fails()) {
      this.#live.delete(session.id)
      throw new FlotillaError('SANDBOX_UNAVAILABLE', 'injected')
    }
    const known = this.#live.get(session.id)
    try {
      const live = known?.place === positionOf(session) ? known : rebuild(session, this.#around)
      this.#live.set(session.id, live)
      const outcome = go(live)
      if (outcome.status === 'finished' && outcome.lost !== 'nothing') this.#live.delete(session.id)
      return outcome
    } catch (error) {
      this.#live.delete(session.id)
      if (error instanceof Diverged)
        return finished({ error: failed('NONDETERMINISM', error.message), lost: 'session' })
      throw error
    }
  }

  async discard(sessionId: string): Promise<void> {
    this.#live.delete(sessionId)
  }

  async check(): Promise<void> {}
  async close(): Promise<void> {}
}

function advance(live: Live, n: number, results: readonly ResultEntry[]): Outcome {
  const { done, value } = live.script?.next(results) ?? {}
  if (done === undefined || value === undefined) throw new Diverged('the session stands elsewhere')
  if (done) {
    live.script = null
    live.place = doneAt(n)
    return value as Finished
  }
  const calls = value as PendingCall[]
  live.calls += calls.length
  live.place = pausedAt(n, live.calls)
  return { status: 'paused', calls, computeMs: 1 }
}

function rebuild(session: Session, around: ScriptSurroundings): Live {
  const live: Live = {
    place: positionOf({ id: session.id, log: [] }),
    variables: new Map(),
    script: null,
    calls: 0,
  }
  for (const recorded of stepsOf(session.log)) replay(live, recorded, around)
  return live
}

/** Runs a step of the log to where the log ends. */
function replay(
  live: Live,
  { step, calls, results, outputHash }: JournalledStep,
  around: ScriptSurroundings,
): void {
  live.script = script(step, live.variables, around)
  live.calls = 0
  let outcome = advance(live, step.n, [])
  while (outcome.status === 'paused') {
    for (const { seq, argsHash } of outcome.calls)
      if (calls.get(seq)?.argsHash !== argsHash)
        throw new Diverged(`call ${seq} of step ${step.n} is another one`)
    const answers = outcome.calls.flatMap(({ seq }) => results.get(seq) ?? [])
    if (answers.length < outcome.calls.length) return
    outcome = advance(live, step.n, answers)
  }
  if (outcome.outputHash !== outputHash) throw new Diverged(`step ${step.n} ends in another way`)
}

function* script(step: StepEntry, variables: Map<string, Json>, around: ScriptSurroundings): Script {
  const prints: string[] = []
  let value: Json = null
  let seq = 0
  for (const line of step.code.split('\n')) {
    const [word = '', ...rest] = line.trim().split(' ')
    const words = rest.join(' ')
    if (word === 'print') prints.push(words)
    else if (word === 'value') value = variables.get(words) ?? null
    else if (word === 'random') variables.set(words, around.between(0, 1_000_000))
    else if (word === 'raise') return finished({ prints, error: failed('CODE_FAILED', words) })
    else if (word === 'spin')
      return finished({ prints, error: failed('CODE_TIMEOUT', 'too long'), lost: 'step' })
    else if (word === 'final') return finished({ prints, final: variables.get(words) ?? words })
    else if (word === 'call' || word === 'try') {
      const wanted = rest.map((text) => callOf(text, seq++, variables))
      const answers = yield wanted.map(({ call }) => call)
      for (const [index, { name }] of wanted.entries()) {
        const answer = answers[index]
        if (answer?.ok) variables.set(name, answer.value)
        else if (word === 'try') variables.set(name, answer?.error?.code ?? null)
        else return finished({ prints, error: failed('CODE_FAILED', answer?.error?.message ?? 'no answer') })
      }
    }
  }
  return finished({ prints, value })
}

function callOf(
  text: string,
  seq: number,
  variables: ReadonlyMap<string, Json>,
): { name: string; call: PendingCall } {
  const [, name = '', tool = '', mark = ''] = /^(\w+)=(\w+)\((.*)\)$/.exec(text) ?? []
  const given = mark.startsWith('$') ? `${mark}${JSON.stringify(variables.get(mark.slice(1)) ?? null)}` : mark
  const args: Record<string, string> = tool.startsWith('ask_') ? { task: given } : { mark: given }
  return { name, call: { seq, name: tool, arguments: args, argsHash: argsHashOf(tool, args) } }
}

function failed(code: StepError['code'], message: string): StepError {
  return { code, class: code, message, traceback: `${code}: ${message}` }
}

interface Ending {
  readonly prints?: readonly string[]
  readonly value?: Json
  readonly final?: Json
  readonly error?: StepError
  readonly lost?: Finished['lost']
}

function finished({ prints = [], value = null, final, error, lost = 'nothing' }: Ending): Finished {
  const shown = prints.join('\n')
  const finalAnswer = final ?? null
  return {
    status: 'finished',
    value,
    isFinal: final !== undefined,
    finalAnswer,
    prints: shown,
    error: error ?? null,
    outputHash: hashOf([value, finalAnswer, shown, error?.message ?? null]),
    lost,
    computeMs: 1,
  }
}
