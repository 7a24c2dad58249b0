// CPython in WebAssembly in locked processes of this machine: the executor that needs nothing installed.
import { tmpdir } from 'node:os'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { placeOf, stepsOf, type JournalledStep } from '../session-journal.ts'
import type { Executor, Outcome, ResultEntry, Session, StepEntry, StepOptions } from '../port.ts'
import { unpack } from './artefact.ts'
import { ChildPool } from './child-pool.ts'
import { LiveSession } from './live-session.ts'
import { findBubblewrap, type ChildOptions } from './locked-child.ts'
import { lostSession, diverged, type Divergence } from './verdicts.ts'

export interface WasmOptions {
  /** Of one session. */
  readonly memoryMb: number
  /** Processes at once; each takes about 130 MB and what its program allocates. */
  readonly maxChildren: number
  /** Processes started ahead of need. */
  readonly warmChildren: number
  /** Where the interpreter is unpacked. */
  readonly cacheDir?: string
  /** Default: bubblewrap where it works. */
  readonly bubblewrap?: boolean
}

type StepKnown = Pick<JournalledStep, 'calls' | 'results'>
const NOTHING_KNOWN: StepKnown = { calls: new Map(), results: new Map() }

export class WasmExecutor implements Executor {
  readonly name = 'wasm'
  private readonly options: WasmOptions
  private readonly pool: ChildPool
  /** Live instances, the one used longest ago first. */
  private readonly sessions = new Map<string, LiveSession>()
  private prepared: Promise<ChildOptions> | null = null

  constructor(options: WasmOptions) {
    this.options = options
    this.pool = new ChildPool(() => this.prepare(), {
      max: options.maxChildren,
      warm: options.warmChildren,
      evict: () => this.evict(),
    })
  }

  /** Processes alive now. */
  get children(): number {
    return this.pool.size
  }

  run(session: Session, step: StepEntry, options: StepOptions): Promise<Outcome> {
    return this.guarded(session.id, options, async () => {
      const live = await this.instance(session, options)
      return 'status' in live ? live : await live.begin(step, NOTHING_KNOWN, options)
    })
  }

  resume(session: Session, results: readonly ResultEntry[], options: StepOptions): Promise<Outcome> {
    return this.guarded(session.id, options, async () => {
      const steps = stepsOf(session.log)
      const current = steps.at(-1)
      if (!current || current.outputHash !== null)
        throw new FlotillaError('INTERNAL', `resuming session ${session.id}: no step of its log is at work`)
      const known = { calls: current.calls, results: merged(current.results, results) }
      const cached = this.cached(session)
      if (cached) return await cached.answer(known, options)
      const live = await this.instance(
        { id: session.id, log: session.log.filter((e) => e.n !== current.step.n) },
        options,
      )
      return 'status' in live ? live : await live.begin(current.step, known, options)
    })
  }

  discard(sessionId: string): Promise<void> {
    this.drop(sessionId, 'its session is over')
    return Promise.resolve()
  }

  async check(): Promise<void> {
    await this.prepare()
    await this.pool.refill()
  }

  /** Starts the warm processes. */
  async warm(): Promise<void> {
    await this.pool.refill()
  }

  close(): Promise<void> {
    this.pool.close()
    for (const id of [...this.sessions.keys()]) this.drop(id, 'the executor is closed')
    return Promise.resolve()
  }

  /** Unpacks the interpreter and looks for bubblewrap, once; after a failure, again. */
  private prepare(): Promise<ChildOptions> {
    this.prepared ??= this.preparation().catch((error: unknown) => {
      this.prepared = null
      throw error
    })
    return this.prepared
  }

  private async preparation(): Promise<ChildOptions> {
    const { cacheDir = tmpdir(), memoryMb, bubblewrap = true } = this.options
    try {
      const directory = await unpack(cacheDir)
      return { directory, memoryMb, bubblewrap: bubblewrap ? await findBubblewrap() : null }
    } catch (error) {
      if (error instanceof FlotillaError) throw error
      const said = error instanceof Error ? error.message : String(error)
      throw new FlotillaError('SANDBOX_UNAVAILABLE', `unpacking the interpreter into ${cacheDir}: ${said}`, {
        cause: error,
      })
    }
  }

  /** Runs `work`; whatever it did, only an instance that stands at a known place is kept. */
  private async guarded(
    id: string,
    { signal }: StepOptions,
    work: () => Promise<Outcome | Divergence>,
  ): Promise<Outcome> {
    try {
      const outcome = await work()
      return outcome.status === 'diverged' ? lostSession(outcome) : outcome
    } catch (error) {
      if (!signal.aborted) throw error
      throw signal.reason instanceof FlotillaError
        ? signal.reason
        : new FlotillaError('CALL_ABORTED', `the Python step of session ${id} was stopped`, { cause: error })
    } finally {
      const live = this.sessions.get(id)
      if (live && !live.computing && (live.place === null || !live.child.alive))
        this.drop(id, 'it stands at no known place')
      this.pool.idle()
    }
  }

  private cached(session: Session): LiveSession | null {
    const live = this.sessions.get(session.id)
    if (!live?.child.alive || live.place !== placeOf(session)) return null
    this.sessions.delete(session.id)
    this.sessions.set(session.id, live)
    return live
  }

  /** An instance that stands where the log ends: the cached one, or a new one that has run the log again. */
  private async instance(session: Session, options: StepOptions): Promise<LiveSession | Divergence> {
    const cached = this.cached(session)
    if (cached) return cached
    this.drop(session.id, 'its session went on elsewhere')
    const live = new LiveSession(await this.pool.acquire(options.signal))
    this.sessions.set(session.id, live)
    for (const step of stepsOf(session.log)) {
      const outcome = await live.begin(step.step, step, options)
      const divergence = difference(step, outcome)
      if (divergence) return divergence
    }
    return live
  }

  private drop(id: string, reason: string): void {
    const live = this.sessions.get(id)
    if (!live) return
    this.sessions.delete(id)
    live.dropped = true
    this.pool.release(live.child, reason)
  }

  private evict(): boolean {
    for (const [id, live] of this.sessions) {
      if (live.computing || live.place === null) continue
      this.drop(id, 'its process was needed')
      return true
    }
    return false
  }
}

function difference({ step, outputHash }: JournalledStep, outcome: Outcome | Divergence): Divergence | null {
  if (outcome.status === 'diverged') return outcome
  if (outcome.status === 'paused')
    return diverged(step.n, `it called ${outcome.calls[0]?.name ?? 'a tool'} again`)
  if (outcome.lost !== 'nothing') return diverged(step.n, outcome.error?.message ?? 'it was killed')
  return outcome.outputHash === outputHash ? null : diverged(step.n, 'its output differs')
}

function merged(results: ReadonlyMap<number, ResultEntry>, more: readonly ResultEntry[]) {
  return new Map([...results, ...more.map((result): [number, ResultEntry] => [result.seq, result])])
}
