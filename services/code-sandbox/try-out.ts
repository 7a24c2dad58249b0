// Runs one Python program as an agent's step, with given tool results instead of tool calls.
import type { FlotillaError } from '../../runtime/errors.ts'
import type { Json } from '../../schemas/json.ts'
import { limits } from './constants.ts'
import type {
  Executor,
  Finished,
  PendingCall,
  ResultEntry,
  SessionEntry,
  StepEntry,
  StepError,
  ToolSignature,
} from './executors/port.ts'

export interface Snippet {
  readonly code: string
  readonly tools: readonly ToolSignature[]
  /** A tool's results, in order; the last one answers every further call. */
  readonly results: ReadonlyMap<string, readonly Json[]>
  readonly timeoutMs: number
}

export interface SnippetOutcome {
  readonly status: 'finished' | 'failed'
  /** The final answer; without one, the value of the last expression. */
  readonly output: Json
  readonly isFinal: boolean
  readonly prints: string
  readonly error: StepError | null
  readonly calls: readonly { readonly tool: string; readonly arguments: Json; readonly answered: boolean }[]
  readonly computeMs: number
}

/** Rejects if the code could not be run at all. */
export async function runSnippet(executor: Executor, snippet: Snippet): Promise<SnippetOutcome> {
  const id = crypto.randomUUID()
  try {
    return await drive(executor, id, snippet)
  } finally {
    await executor.discard(id)
  }
}

async function drive(executor: Executor, id: string, snippet: Snippet): Promise<SnippetOutcome> {
  const step: StepEntry = { kind: 'step', n: 0, code: snippet.code, nowMs: Date.now(), seed: id }
  const { toolCalls, printChars, valueChars } = limits
  const signal = new AbortController().signal
  const stepLimits = { timeoutMs: snippet.timeoutMs, toolCalls, printChars, valueChars }
  const options = { tools: snippet.tools, limits: stepLimits, signal }
  const log: SessionEntry[] = [step]
  const calls: PendingCall[] = []
  let outcome = await executor.run({ id, log: [] }, step, options)
  while (outcome.status === 'paused') {
    for (const { seq, name, argsHash } of outcome.calls) log.push({ kind: 'call', n: 0, seq, name, argsHash })
    const results = outcome.calls.map((call) => answer(call, snippet, calls))
    calls.push(...outcome.calls)
    outcome = await executor.resume({ id, log: [...log] }, results, options)
    log.push(...results)
  }
  return { ...summary(outcome), calls: calls.map((call) => describeCall(call, snippet)) }
}

function answer(call: PendingCall, { results }: Snippet, before: readonly PendingCall[]): ResultEntry {
  const given = results.get(call.name)
  const entry = { kind: 'result', n: 0, seq: call.seq, nowMs: Date.now() } as const
  if (!given) {
    const message = `no result was given for it; give one: --tool-result '${call.name}=JSON'`
    return {
      ...entry,
      ok: false,
      value: null,
      error: { code: 'TOOL_FAILED' satisfies FlotillaError['code'], message },
    }
  }
  const earlier = before.filter(({ name, seq }) => name === call.name && seq < call.seq).length
  return { ...entry, ok: true, value: given[Math.min(earlier, given.length - 1)] ?? null, error: null }
}

const describeCall = (call: PendingCall, { results }: Snippet) => ({
  tool: call.name,
  arguments: call.arguments,
  answered: results.has(call.name),
})

function summary({ value, isFinal, finalAnswer, prints, error, computeMs }: Finished) {
  const status = error ? ('failed' as const) : ('finished' as const)
  return { status, output: isFinal ? finalAnswer : value, isFinal, prints, error, computeMs }
}
