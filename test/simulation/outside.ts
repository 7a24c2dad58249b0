// The world outside the fleet: models, tools, a sandbox, a ledger and a pager, with every kind of failure
// that R9 names.
//
// 1. An answer depends on the conversation alone, as a recorded model's would; only failures and latency are
//    drawn.
// 2. Ledger and models outlive processes; a sandbox's live sessions and a tool cache's client die with
//    theirs.
//
// Long because one process reaches all of it by the same wire, with the same faults.
import type { Reconciled } from '../../runtime/config/approvals.ts'
import type { Tool, ToolContext } from '../../runtime/config/fleet.ts'
import { FlotillaError, type ErrorCode } from '../../runtime/errors.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { CallContext, Caller } from '../../runtime/stage.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Guard } from '../../runtime/host/calls/guard.ts'
import type { SlotsOf } from '../../runtime/host/slots.ts'
import { memoryLimits } from '../../runtime/testing/memory/limits.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import type { Callers } from '../../runtime/service.ts'
import type { Limits } from '../../runtime/limits/port.ts'
import { quietInstruments } from '../../runtime/telemetry/instruments.ts'
import { directSchemaChecks } from '../../runtime/testing/schema-checks.ts'
import type { SeenCall } from '../../runtime/testing/simulator/call-book.ts'
import type { Fate, FaultKind } from '../../runtime/testing/simulator/fate.ts'
import type { Surroundings, World } from '../../runtime/testing/simulator/world.ts'
import { FLEET, type Notification } from '../../services/alerting/events.ts'
import { createCallers } from '../../services/code-sandbox/caller.ts'
import { Executors } from '../../services/code-sandbox/executors/open.ts'
import type {
  FeedbackRow,
  HeldRow,
  LedgerWrite,
  ReleasedRow,
  SessionWrite,
  TaskRow,
  UsageRow,
} from '../../services/metering/call.ts'
import type { ModelReply, ModelRequest } from '../../services/planner/call.ts'
import { createModelGuard } from '../../services/planner/model/guard.ts'
import { createOutputCaller } from '../../services/planner/result/output-check.ts'
import { countedTokens } from '../../services/planner/model/token-count.ts'
import { createLimitsCaller } from '../../services/router/caller.ts'
import { createPeopleCallers } from '../../services/tool-executor/people-callers.ts'
import { createToolCaller } from '../../services/tool-executor/caller.ts'
import type { ToolCall } from '../../services/tool-executor/call.ts'
import type { Ability } from './abilities.ts'
import { fleet } from './fleet.ts'
import { BULKY_MARK, answer, garbage, latencyOf, MODEL_MS, spendOf, type Tokens } from './model-answers.ts'
import { LimitsBook } from './limits-book.ts'
import { ScriptExecutor } from './script-executor.ts'

const modelFailures: readonly ErrorCode[] = [
  'MODEL_RATE_LIMITED',
  'MODEL_QUOTA_EXCEEDED',
  'MODEL_TIMEOUT',
  'MODEL_UNAVAILABLE',
  'MODEL_REQUEST_REFUSED',
  'MODEL_AUTH_FAILED',
  'MODEL_CONTEXT_TOO_LONG',
  'MODEL_ANSWER_MALFORMED',
  'MODEL_UNKNOWN_ERROR',
]
const toolFailures: readonly (ErrorCode | 'throws' | 'garbage' | 'huge' | 'shouts' | 'bulky')[] = [
  'TOOL_UNAVAILABLE',
  'TOOL_TARGET_UNAVAILABLE',
  'TOOL_TIMEOUT',
  'throws',
  'garbage',
  'huge',
]

const schemas = directSchemaChecks()
const LIFTED = 10_000_000
/** Longest time until a stopped call reports what it has spent. */
export const STOPPING_MS = 200

/** Tools that must not run twice. */
const withEffect = new Set(['charge', 'approved', 'signed', 'judged', 'transfer'])

/** A message and a result too large for any record of the log. */
const sizedFailures: typeof toolFailures = [...toolFailures, 'shouts', 'bulky']

/** The ledger of metering, in memory: idempotent by event and task, as its tables are; a task is open until its result. */
export class MemoryLedger {
  readonly usage = new Map<string, UsageRow>()
  readonly tasks = new Map<string, TaskRow>()
  readonly feedback = new Map<string, FeedbackRow>()
  readonly open = new Set<string>()
  readonly approvals = new Map<string, HeldRow>()
  /** Task of each turn, by session and number. */
  readonly turns = new Map<string, string>()

  write(request: LedgerWrite): void {
    if ('usage' in request) insert(this.usage, request.usage.event_id, request.usage)
    else if ('task' in request) {
      insert(this.tasks, request.task.task_id, request.task)
      this.open.delete(request.task.task_id)
    } else if ('submitted' in request) this.#open(request.submitted.task_id)
    else if ('held' in request) this.approvals.set(keyOfApproval(request.held), request.held)
    else if ('released' in request) this.#release(request.released)
    else if ('session' in request) this.#session(request.session)
    else this.feedback.set(request.feedback.task_id, request.feedback)
  }

  #release({ status, ended_at_ms, approval, ...key }: ReleasedRow): void {
    const row = this.approvals.get(keyOfApproval(key))
    if (row) this.approvals.set(keyOfApproval(key), { ...row, status, ended_at_ms, approval })
  }

  #session(write: SessionWrite): void {
    if ('turn' in write) this.turns.set(`${write.session_id} ${write.turn.turn}`, write.turn.task_id)
  }

  #open(taskId: string): void {
    if (!this.tasks.has(taskId)) this.open.add(taskId)
  }
}

const keyOfApproval = ({ task_id, call_id }: Pick<HeldRow, 'task_id' | 'call_id'>): string =>
  `${task_id} ${call_id}`

function insert<T>(rows: Map<string, T>, id: string, row: T): void {
  if (!rows.has(id)) rows.set(id, row)
}

export class Outside {
  readonly ledger = new MemoryLedger()
  /** Until when the ledger can't be written. Epoch milliseconds. */
  ledgerAwayUntilMs = 0
  /** Ids of the notifications that the pager has shown. */
  readonly shown = new Set<string>()
  /** Budgets of this run. */
  readonly budgets: { limits: Fleet['limits'] }
  readonly limits: Limits
  readonly book: LimitsBook
  readonly #world: () => World

  readonly abilities: ReadonlySet<Ability>

  constructor(
    world: () => World,
    { clock, fate, abilities }: { clock: Clock; fate: Fate; abilities: ReadonlySet<Ability> },
    faulty: (limits: Limits) => Limits,
  ) {
    this.#world = world
    this.abilities = abilities
    this.budgets = drawBudgets(fate)
    this.book = new LimitsBook(clock)
    const keyValue = { get: (key: string) => this.#world().keyValue.get(key) }
    this.limits = this.book.watch(faulty(memoryLimits({ clock, keyValue })))
  }

  /** Lifts the budgets, so that no more tasks are refused or wait. */
  liftBudgets(): void {
    const { limits } = this.budgets
    const most = { fleetTokens: LIFTED, userTokens: LIFTED, modelTokens: LIFTED }
    this.budgets.limits = { ...limits, budgets: { ...limits.budgets, ...most } }
  }

  callers(process: Surroundings): Callers {
    const site = new Site(this, this.#world(), process)
    // Few enough that tasks queue for them.
    const slots: SlotsOf = ({ kind, request }) =>
      kind === 'model' ? { name: kind, limit: 3, holder: (request as ModelRequest).userId ?? '' } : null
    return { callers: site.callers(), guards: site.guards(), slots }
  }
}

/** The outside as one process reaches it. */
class Site {
  readonly #outside: Outside
  readonly #world: World
  readonly #process: Surroundings
  /** Start times of tool calls, which read the cache first. */
  readonly #begun = new Map<string, number>()

  constructor(outside: Outside, world: World, process: Surroundings) {
    this.#outside = outside
    this.#world = world
    this.#process = process
  }

  callers(): Readonly<Record<string, Caller>> {
    const { clock, keyValue } = this.#process
    const { log } = quietInstruments
    const tools = fleet.tools.map(({ spec }): Tool => ({
      spec,
      run: (input, context) => this.#tool(spec.name, input as { mark: string }, context),
      ...(spec.approval?.rule === 'when' && { needsApproval: () => this.#rule(spec.name) }),
      ...(spec.reconciles && {
        reconcile: (input, context) => this.#reconcile(input as { mark: string }, context),
      }),
    }))
    const executor = this.#sandbox()
    const tool = createToolCaller({ fleet: { tools }, keyValue, log, clock })
    return {
      ...createPeopleCallers({ tools }),
      ...createCallers(new Executors(new Map([[executor.name, async () => executor]]))),
      tool: ((request: ToolCall, context: CallContext) => {
        this.#begun.set(context.callId, this.#world.clock.now())
        return tool(request, context)
      }) as Caller,
      model: (request: ModelRequest, context) => this.#model(request, context),
      ledger: (request: LedgerWrite, context) => this.#ledger(request, context),
      notify: (notification: Notification, context) => this.#notify(notification, context),
      limits: createLimitsCaller({
        fleet: this.#outside.budgets,
        limits: this.#limits(),
        schemas,
        instruments: quietInstruments,
        clock,
      }),
      check: createOutputCaller({ schemas }),
    }
  }

  guards(): Readonly<Record<string, Guard>> {
    const { clock } = this.#process
    const shared = { limits: this.#limits(), instruments: quietInstruments, clock }
    return { model: createModelGuard({ fleet: this.#outside.budgets, ...shared }) }
  }

  #strikes(kind: FaultKind, place: string): boolean {
    const { fate, rates, clock, note } = this.#world
    const struck = fate.strikes(kind, place, rates()[kind], clock.now())
    if (struck) note(`${kind} at ${place}`)
    return struck
  }

  #wait(least: number, most: number, what: string): Promise<void> {
    const { fate, clock } = this.#world
    return new Promise((resume) => clock.schedule(fate.between(least, most, what), resume))
  }

  /** Never answers; ends when it is aborted. */
  #hang(signal: AbortSignal): Promise<never> {
    return new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
    )
  }

  #arrive(kind: string, stage: string, taskId: string, callId: string, effect: string | null) {
    const { book, broker, clock, note } = this.#world
    const { name, epochOf } = this.#process
    note(`${name} calls ${kind} for ${taskId} (${callId.slice(0, 8)})${effect === null ? '' : `: ${effect}`}`)
    const lane = homeOf(taskId, broker.partitions)
    const epoch = epochOf(stage, lane)
    const begunMs = this.#begun.get(callId) ?? clock.now()
    const place = { process: name, stage, lane, epoch, byOwner: epoch === broker.epoch(stage, lane), begunMs }
    return book.arrive({ callId, kind, taskId, effect, ...place, atMs: clock.now() })
  }

  async #model(request: ModelRequest, { callId, key, signal }: CallContext): Promise<ModelReply> {
    const seen = this.#arrive('model', 'planner', key, callId, null)
    this.#outside.book.called(callId)
    const { fate } = this.#world
    const tokens = spendOf(request)
    const hangs = this.#strikes('model-hangs', key)
    const stopped = this.#stopped(seen, tokens, hangs, signal)
    if (hangs) return stopped
    await Promise.race([this.#wait(...latencyOf(request), `model ${key}`), stopped])
    if (seen.stoppedWith) return stopped
    seen.endedMs = this.#world.clock.now()
    if (this.#strikes('model-fails', key)) {
      const code = fate.pick(modelFailures, `model failure ${key}`)
      const spent = code === 'MODEL_ANSWER_MALFORMED'
      if (spent) seen.tokens = tokens
      throw new FlotillaError(code, 'injected', {
        ...(code === 'MODEL_RATE_LIMITED'
          ? { retryAfterMs: fate.between(100, 3_000, `retry after ${key}`) }
          : {}),
        ...(spent ? { details: { inputTokens: tokens.input, outputTokens: tokens.output } } : {}),
      })
    }
    seen.tokens = tokens
    const base = { inputTokens: tokens.input, outputTokens: tokens.output, usageIsEstimate: false }
    const reply = { ...base, model: request.model, toolCalls: [], finishReason: 'stop' }
    if (this.#strikes('model-answers-nothing', key)) return { ...reply, text: '' }
    if (this.#strikes('model-answers-garbage', key)) return { ...reply, ...garbage(key, this.#world) }
    return { ...reply, ...answer(request) }
  }

  /**
   * Rejects when the call is stopped: the provider charges for the prompt and for its answer so far. The
   * client reports what it knows of that, a moment later; if nothing arrived, it knows nothing.
   */
  #stopped(seen: SeenCall, whole: Tokens, hangs: boolean, signal: AbortSignal): Promise<never> {
    const { clock, fate } = this.#world
    const startedMs = clock.now()
    return new Promise((_, reject) => {
      const stop = (): void => {
        if (seen.endedMs !== null) return
        seen.endedMs = clock.now()
        const share = hangs ? 0 : Math.min(1, (seen.endedMs - startedMs) / MODEL_MS)
        const output = Math.floor(whole.output * share)
        seen.stoppedWith = { input: whole.input, output }
        const reason = signal.reason as FlotillaError
        const told = output > 0 ? { inputTokens: whole.input, outputTokens: output } : undefined
        seen.isTold = told !== undefined
        const error = new FlotillaError(reason.code, reason.message, told ? { details: told } : {})
        this.#process.clock.schedule(fate.between(0, STOPPING_MS, `stopping ${seen.callId}`), () =>
          reject(error),
        )
      }
      signal.addEventListener('abort', stop, { once: true })
      if (signal.aborted) stop()
    })
  }

  async #tool(name: string, { mark }: { mark: string }, context: ToolContext): Promise<unknown> {
    const { taskId, idempotencyKey, signal } = context
    const effect = withEffect.has(name) ? `${name} ${mark} of ${taskId}` : null
    const seen = this.#arrive('tool', 'tool-executor', taskId, idempotencyKey, effect)
    const ended = () => (seen.endedMs = this.#world.clock.now())
    signal.addEventListener('abort', ended, { once: true })
    const place = `${name} ${taskId} ${mark}`
    if (name === 'endless' || this.#strikes('tool-hangs', place)) return this.#hang(signal)
    await this.#wait(1, 800, place)
    ended()
    // Like no other payload: one that the store has already can't be lost as it is put.
    if (mark === BULKY_MARK) return taskId.padEnd(450_000, 'x')
    if (name === 'large') return 'x'.repeat(1_000)
    if (!this.#strikes('tool-fails', place)) return { mark }
    const failures = this.#outside.abilities.has('any size') ? sizedFailures : toolFailures
    const failure = this.#world.fate.pick(failures, `tool failure ${place}`)
    if (failure === 'shouts') throw new Error('x'.repeat(1_500_000))
    if (failure === 'bulky') return 'x'.repeat(450_000)
    if (failure === 'throws') throw new Error('injected')
    if (failure === 'garbage') return () => 'no JSON'
    if (failure === 'huge') return 'x'.repeat(1_100_000)
    throw new FlotillaError(failure, 'injected')
  }

  async #rule(name: string): Promise<boolean> {
    await this.#wait(1, 50, `rule of ${name}`)
    if (this.#strikes('tool-fails', `rule of ${name}`)) throw new Error('injected')
    return name === 'judged'
  }

  /** What has arrived has taken effect; of the rest it is not known whether it still will. */
  async #reconcile({ mark }: { mark: string }, { idempotencyKey }: ToolContext): Promise<Reconciled> {
    const place = `reconcile ${idempotencyKey}`
    await this.#wait(1, 200, place)
    if (this.#strikes('tool-fails', place)) throw new FlotillaError('TOOL_UNAVAILABLE', 'injected')
    return this.#world.book.of(idempotencyKey).length > 0 ? { tookEffect: true, output: { mark } } : null
  }

  /** The store of the limits, with requests and replies that get lost. */
  #limits(): Limits {
    const { limits } = this.#outside
    const { clock } = this.#process
    const through = <T>(operation: string, work: () => Promise<T>): Promise<T> =>
      // A caller that retries stops once its process is dead.
      clock.heard(reach(operation, work))
    const reach = async <T>(operation: string, work: () => Promise<T>): Promise<T> => {
      const place = `${operation} ${this.#process.name}`
      await this.#wait(0, 4, place)
      if (this.#strikes('limits-fail', `before ${place}`))
        throw new FlotillaError('STORE_UNAVAILABLE', 'injected')
      const result = await work()
      if (this.#strikes('limits-fail', `after ${place}`))
        throw new FlotillaError('STORE_UNAVAILABLE', 'injected')
      return result
    }
    const { settleIf } = limits
    return {
      ...limits,
      ...(settleIf && {
        settleIf: (...asked: Parameters<typeof settleIf>) => through('settle', () => settleIf(...asked)),
      }),
      reserve: (request) => through('reserve', () => limits.reserve(request)),
      settle: (request) => through('settle', () => limits.settle(request)),
      release: (id) => through('release', () => limits.release(id)),
      end: (id) => through('end', () => limits.end(id)),
    }
  }

  #sandbox(): ScriptExecutor {
    const { name } = this.#process
    const { fate } = this.#world
    return new ScriptExecutor({
      wait: (ms) => new Promise((resume) => this.#world.clock.schedule(ms, resume)),
      between: (least, most) => fate.between(least, most, `sandbox ${name}`),
      fails: () => this.#strikes('sandbox-fails', name),
      forgets: () => this.#strikes('sandbox-forgets', name),
    })
  }

  async #ledger(request: LedgerWrite, { callId }: CallContext): Promise<null> {
    const place = `${this.#process.name} ${callId.slice(0, 8)}`
    const away = () => new FlotillaError('STORE_UNAVAILABLE', 'injected: the database is away')
    await this.#wait(1, 20, `ledger ${place}`)
    if (this.#world.clock.now() < this.#outside.ledgerAwayUntilMs) throw away()
    if (this.#strikes('ledger-fails', `before ${place}`)) throw away()
    this.#outside.ledger.write(request)
    if (this.#strikes('ledger-fails', `after ${place}`)) throw away()
    return null
  }

  async #notify({ id }: Notification, { callId }: CallContext): Promise<string> {
    const seen = this.#arrive('notify', 'alerting', FLEET, callId, null)
    await this.#wait(1, 200, `notifier ${callId}`)
    seen.endedMs = this.#world.clock.now()
    if (this.#strikes('notifier-fails', id)) throw new FlotillaError('CHANNEL_UNAVAILABLE', 'injected')
    this.#outside.shown.add(id)
    return 'shown'
  }
}

/** Draws budgets from far below one task's need to more than all tasks use. */
function drawBudgets(fate: Fate): { limits: Fleet['limits'] } {
  const budget = (name: string, sizes: readonly number[]): number => fate.pick(sizes, `budget of ${name}`)
  const budgets = {
    ...fleet.limits.budgets,
    fleetTokens: budget('fleet', [4_000, 10_000, 40_000, 40_000]),
    userTokens: budget('user', [2_500, 6_000, 20_000, 20_000]),
    modelTokens: budget('model', [2_500, 8_000, 30_000, 30_000]),
    estimateTokens: budget('a task', [100, 500, 2_000]),
  }
  return { limits: { ...fleet.limits, budgets } }
}

// Loads the tokenizer: virtual time does not wait for files.
await countedTokens({
  model: 'alpha/one',
  messages: [],
  temperature: 0,
  maxOutputTokens: 1,
  stream: false,
  step: 1,
})
