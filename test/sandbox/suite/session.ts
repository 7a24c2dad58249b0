// A session driven as the stage drives it: keeps the log, answers tool calls, can lose its executor at any pause.
import type {
  Executor,
  Finished,
  Outcome,
  Paused,
  PendingCall,
  ResultEntry,
  SessionEntry,
  StepEntry,
  StepLimits,
  ToolSignature,
} from '../../../services/code-sandbox/executors/port.ts'
import type { Json } from '../../../schemas/json.ts'

export const NOW_MS = 1_750_000_000_000

export const searchTool: ToolSignature = {
  name: 'search',
  description: 'Finds pages.',
  input: {
    type: 'object',
    properties: { query: { type: 'string' }, limit: { type: 'integer', default: 5 } },
    required: ['query'],
    additionalProperties: false,
  },
}

type Answer = (call: PendingCall) => Json | Error

export class TestSession {
  executor: Executor
  log: SessionEntry[] = []
  /** Every call that an executor asked for live, in order. */
  readonly asked: PendingCall[] = []
  limits: StepLimits = { timeoutMs: 120_000, toolCalls: 1_000, printChars: 10_000, valueChars: 10_000 }
  tools: readonly ToolSignature[] = [searchTool]
  readonly id: string
  #n = 0

  constructor(executor: Executor, id: string = crypto.randomUUID()) {
    this.executor = executor
    this.id = id
  }

  /** Runs a step to its end. `atPause` is told before each pause is answered. */
  async step(
    code: string,
    answer: Answer = (call) => `result of ${JSON.stringify(call.arguments)}`,
    atPause: (paused: Paused) => void | Promise<void> = () => {},
  ): Promise<Finished> {
    const entry: StepEntry = {
      kind: 'step',
      n: this.#n++,
      code,
      nowMs: NOW_MS + this.#n * 1_000,
      seed: `s${this.#n}`,
    }
    const before = this.log.length
    let outcome: Outcome = await this.executor.run({ id: this.id, log: this.log }, entry, this.options())
    this.log = [...this.log, entry]
    while (outcome.status === 'paused') {
      this.asked.push(...outcome.calls)
      const calls = outcome.calls.map(
        ({ seq, name, argsHash }) => ({ kind: 'call', n: entry.n, seq, name, argsHash }) as const,
      )
      this.log = [...this.log, ...calls]
      await atPause(outcome)
      const results = outcome.calls.map((call) => this.#result(entry.n, call, answer(call)))
      outcome = await this.executor.resume({ id: this.id, log: this.log }, results, this.options())
      this.log = [...this.log, ...results]
    }
    if (outcome.lost === 'nothing')
      this.log = [...this.log, { kind: 'done', n: entry.n, outputHash: outcome.outputHash }]
    else this.log = outcome.lost === 'session' ? [] : this.log.slice(0, before)
    return outcome
  }

  protected options() {
    return { tools: this.tools, limits: this.limits, signal: new AbortController().signal }
  }

  #result(n: number, { seq }: PendingCall, answer: Json | Error): ResultEntry {
    const entry = { kind: 'result', n, seq, nowMs: NOW_MS + this.asked.length * 100 } as const
    return answer instanceof Error
      ? { ...entry, ok: false, value: null, error: { code: 'TOOL_FAILED', message: answer.message } }
      : { ...entry, ok: true, value: answer, error: null }
  }
}
