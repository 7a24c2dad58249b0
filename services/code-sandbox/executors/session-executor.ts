// An executor with interpreters of one kind: keeps live sessions, and rebuilds the others from their log.
//
// Executors differ in where an interpreter runs and how it is started: their InterpreterSource.
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Interpreter } from './interpreter.ts'
import { InterpreterPool } from './interpreter-pool.ts'
import { LiveSession, SessionGone } from './live-session.ts'
import type { Executor, Outcome, ResultEntry, Session, SessionEntry, StepEntry, StepOptions } from './port.ts'
import { Turns, type Turn } from './turns.ts'
import { positionOf, stepsOf, type JournalledStep } from './session-journal.ts'
import {
  diverged,
  lostSession,
  poisonedSession,
  resetSession,
  withMemoryAdvice,
  type Divergence,
} from './verdicts.ts'

export interface InterpreterSource {
  /** Starts an interpreter. Rejects with SANDBOX_UNAVAILABLE and the remedy. */
  start(): Promise<Interpreter>
  /** Rejects as `start` would. */
  check(): Promise<void>
  /** Executor.weakness. Absent: there is none. */
  weakness?(): string | null
  /** Called after the last interpreter was killed. */
  close?(): Promise<void>
}

/** Observes sessions. */
export interface SessionWatch {
  /** The number of sessions with an interpreter now. */
  live(count: number): void
  /** A session that lost its interpreter runs its log again, in a new one. */
  rebuilt(): void
}

/** Options of every executor. */
export interface CommonOptions {
  /**
   * A session that waits longer, for a tool or for its next step, releases its interpreter. Default: only on
   * demand.
   */
  readonly idleMs?: number
  readonly watch?: SessionWatch
}

export interface SessionOptions extends CommonOptions {
  /** Interpreters at once. */
  readonly max: number
  /** Interpreters started ahead of need. */
  readonly warm: number
  /**
   * A step that stopped the interpreter is followed at once by a trial of its session if that takes no longer to
   * rebuild; else only the second such step in a row is. Default 3,000.
   */
  readonly trialMs?: number
}

const TRIAL_MS = 3_000

/** A trial step, which needs a little memory, as the smallest step does. */
const PROBE: StepEntry = {
  kind: 'step',
  n: 1_000_000,
  code: 'bytearray(2_000_000) and None',
  nowMs: 0,
  seed: 'probe',
}

/** A step to run or resume. `n`: its number. */
interface Asked {
  readonly session: Session
  readonly n: number
  readonly options: StepOptions
  readonly resumed: boolean
}

type StepKnown = Pick<JournalledStep, 'calls' | 'results'>
/**
 * Multiple of its limit that a finished step may take when it is run again: a busier machine must not lose
 * the session.
 */
const REPLAY_PATIENCE = 4
const NOTHING_KNOWN: StepKnown = { calls: new Map(), results: new Map() }

export class SessionExecutor implements Executor {
  readonly name: string
  readonly #source: InterpreterSource
  readonly #pool: InterpreterPool
  readonly #turns: Turns
  readonly #options: SessionOptions
  /** Live instances, the least recently used first. */
  readonly #sessions = new Map<string, LiveSession>()

  constructor(name: string, source: InterpreterSource, options: SessionOptions) {
    const { max, warm } = options
    this.name = name
    this.#source = source
    this.#options = options
    this.#turns = new Turns(max)
    this.#pool = new InterpreterPool(() => source.start(), { max, warm, evict: () => this.#evict() })
  }

  /** Interpreters alive now. */
  get children(): number {
    return this.#pool.size
  }

  run(session: Session, step: StepEntry, options: StepOptions): Promise<Outcome> {
    return this.#guarded({ session, n: step.n, options, resumed: false }, async () => {
      const begin = (live: LiveSession) => live.begin(step, NOTHING_KNOWN, options)
      const done = await this.#onCached(session, begin)
      if (done) return done
      const live = await this.#instance(session, options, session.log.length > 0)
      return 'status' in live ? live : await begin(live)
    })
  }

  resume(session: Session, results: readonly ResultEntry[], options: StepOptions): Promise<Outcome> {
    const n = session.log.at(-1)?.n ?? 0
    return this.#guarded({ session, n, options, resumed: true }, async () => {
      const steps = stepsOf(session.log)
      const current = steps.at(-1)
      if (!current || current.outputHash !== null)
        throw new FlotillaError('INTERNAL', `resuming session ${session.id}: no step of its log is running`)
      const known = { calls: current.calls, results: mergeResults(current.results, results) }
      const done = await this.#onCached(session, (live) => live.answer(known, options))
      if (done) return done
      const live = await this.#instance(
        { id: session.id, log: session.log.filter((e) => e.n !== current.step.n) },
        options,
        true,
      )
      return 'status' in live ? live : await live.begin(current.step, known, options)
    })
  }

  discard(sessionId: string): Promise<void> {
    this.#drop(sessionId, 'its session is over')
    return Promise.resolve()
  }

  async check(): Promise<void> {
    await this.#source.check()
    await this.#pool.refill()
  }

  weakness(): string | null {
    return this.#source.weakness?.() ?? null
  }

  /** Starts the warm interpreters. */
  async warm(): Promise<void> {
    await this.#pool.refill()
  }

  async close(): Promise<void> {
    this.#pool.close()
    for (const id of [...this.#sessions.keys()]) this.#drop(id, 'the executor is closed')
    await this.#source.close?.()
  }

  /** Runs `work`; afterwards only an instance at a known position is kept. */
  async #guarded(
    { session, n, options, resumed }: Asked,
    work: () => Promise<Outcome | Divergence>,
  ): Promise<Outcome> {
    const { id } = session
    const { signal } = options
    let turn: Turn | null = null
    let killed = false
    try {
      turn = await this.#turns.take({ user: options.user ?? id, task: id, resumed }, signal)
      const outcome = await work()
      killed = outcome.status === 'finished' && outcome.error?.code === 'CODE_TIMEOUT'
      return outcome.status === 'diverged'
        ? lostSession(outcome)
        : await this.#whole(session, n, outcome, options)
    } catch (error) {
      if (!signal.aborted) throw error
      throw signal.reason instanceof FlotillaError
        ? signal.reason
        : new FlotillaError('CALL_ABORTED', `the Python step of session ${id} was stopped`, { cause: error })
    } finally {
      const live = this.#sessions.get(id)
      if (live && !live.computing) this.#rest(id, live)
      turn?.done(killed)
      this.#pool.idle()
    }
  }

  /**
   * The outcome; or the loss of the session if nothing runs on top of its finished steps, or the program
   * reset it.
   */
  async #whole({ id, log }: Session, n: number, outcome: Outcome, options: StepOptions): Promise<Outcome> {
    const live = this.#sessions.get(id)
    if (outcome.status === 'paused' || !live || live.ended === 'well') return outcome
    const finished = finishedPart(log)
    if (live.ended === 'reset') return resetSession(outcome, finished)
    if (finished.length === 0) return outcome
    const isCheap = live.ended === 'broken' && live.finishedMs <= (this.#options.trialMs ?? TRIAL_MS)
    if (!isCheap && !leftNothing(finished, n - 1)) return withMemoryAdvice(outcome)
    if (await this.#runs({ id, log: finished }, options)) return withMemoryAdvice(outcome)
    return poisonedSession(outcome, finished)
  }

  /** Whether an empty step still runs after these. */
  async #runs(session: Session, options: StepOptions): Promise<boolean> {
    try {
      const live = await this.#instance(session, options, true)
      if ('status' in live) return false
      const outcome = await live.begin(PROBE, NOTHING_KNOWN, options)
      return outcome.status === 'finished' && outcome.error === null
    } finally {
      this.#drop(session.id, 'it was tried out')
    }
  }

  #cached(session: Session): LiveSession | null {
    const live = this.#sessions.get(session.id)
    if (!live?.interpreter.alive || live.position !== positionOf(session)) return null
    clearTimeout(live.idle)
    this.#sessions.delete(session.id)
    this.#sessions.set(session.id, live)
    return live
  }

  /** Keeps a session that stopped computing, or drops it. */
  #rest(id: string, live: LiveSession): void {
    if (live.position === null || !live.interpreter.alive) return this.#drop(id, 'its position is unknown')
    const { idleMs } = this.#options
    if (idleMs === undefined) return
    clearTimeout(live.idle)
    live.idle = setTimeout(() => this.#drop(id, 'its session was idle'), idleMs).unref()
  }

  /** Null: there is no instance at that position, or no longer. */
  async #onCached(
    session: Session,
    ask: (live: LiveSession) => Promise<Outcome | Divergence>,
  ): Promise<Outcome | Divergence | null> {
    const live = this.#cached(session)
    if (!live) return null
    try {
      return await ask(live)
    } catch (error) {
      if (error instanceof SessionGone) return null
      throw error
    }
  }

  /** A new instance that has run the log again and is at its end. `hasRun`: there was one before. */
  async #instance(
    session: Session,
    options: StepOptions,
    hasRun: boolean,
  ): Promise<LiveSession | Divergence> {
    this.#drop(session.id, 'its session went on elsewhere')
    const live = new LiveSession(await this.#pool.acquire(options.signal))
    this.#sessions.set(session.id, live)
    this.#options.watch?.live(this.#sessions.size)
    if (hasRun) this.#options.watch?.rebuilt()
    for (const step of stepsOf(session.log)) {
      const outcome = await live.begin(step.step, step, patient(options))
      const divergence = difference(step, outcome)
      if (divergence) return divergence
    }
    return live
  }

  #drop(id: string, reason: string): void {
    const live = this.#sessions.get(id)
    if (!live) return
    clearTimeout(live.idle)
    this.#sessions.delete(id)
    this.#options.watch?.live(this.#sessions.size)
    live.dropped = true
    this.#pool.release(live.interpreter, reason, !live.computing && live.position !== null)
  }

  #evict(): boolean {
    for (const [id, live] of this.#sessions) {
      if (live.computing || live.position === null) continue
      this.#drop(id, 'its interpreter was needed')
      return true
    }
    return false
  }
}

/** The log without the running step. */
function finishedPart(log: readonly SessionEntry[]): SessionEntry[] {
  const done = new Set(log.flatMap((entry) => (entry.kind === 'done' ? entry.n : [])))
  return log.filter((entry) => done.has(entry.n))
}

/** Whether the step before the last one left nothing either. Numbers of such steps are gaps in the log. */
const leftNothing = (finished: readonly SessionEntry[], n: number): boolean => (finished.at(-1)?.n ?? n) < n

function patient(options: StepOptions): StepOptions {
  const { limits } = options
  return { ...options, limits: { ...limits, timeoutMs: limits.timeoutMs * REPLAY_PATIENCE } }
}

function difference({ step, outputHash }: JournalledStep, outcome: Outcome | Divergence): Divergence | null {
  if (outcome.status === 'diverged') return outcome
  if (outcome.status === 'paused')
    return diverged(step.n, `it called ${outcome.calls[0]?.name ?? 'a tool'} again`)
  if (outcome.lost !== 'nothing') return diverged(step.n, outcome.error?.message ?? 'it was killed')
  return outcome.outputHash === outputHash ? null : diverged(step.n, 'its output differs')
}

function mergeResults(results: ReadonlyMap<number, ResultEntry>, more: readonly ResultEntry[]) {
  return new Map([...results, ...more.map((result): [number, ResultEntry] => [result.seq, result])])
}
