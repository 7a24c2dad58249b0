// What a stopped call has spent is settled and in the outcome: the real host, guard, limits and openai package, and a real
// server. Whoever reads an answer as it streams and cancels before its end has paid for what was read.
import assert from 'node:assert/strict'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../../../../runtime/clock.ts'
import { defaultLimits } from '../../../../runtime/config/defaults.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { CallRequest } from '../../../../runtime/host/calls/attempt.ts'
import { CallMaker } from '../../../../runtime/host/calls/calls.ts'
import { openJournal } from '../../../../runtime/host/calls/journal.ts'
import { Semaphore } from '../../../../runtime/host/calls/semaphore.ts'
import { memoryLimits } from '../../../../runtime/testing/memory/limits.ts'
import type { Caller, CallOutcome } from '../../../../runtime/stage.ts'
import { memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { createModelGuard } from '../../../../services/planner/model/guard.ts'
import type { ModelRequest, ModelSpend } from '../../../../services/planner/call.ts'
import { tokensOf } from '../../../../services/planner/usage.ts'
import { callerFor, delta, events, json, request, startProvider, usage } from './provider-server.ts'

/** 4,800 characters: about 1,200 tokens. */
const asked = request({
  messages: [{ role: 'user', content: 'a prompt of some length '.repeat(200) }],
  stream: true,
  userId: 'ann',
})
const words = delta({ content: 'word '.repeat(80) })
/** Long enough to connect, send and receive on a machine that is busy with other tests. */
const SENT_MS = 1_000

interface Made {
  readonly outcome: CallOutcome
  readonly tokens: ModelSpend | null
  /** Of ann's budget, afterwards. */
  readonly settled: number
  readonly reserved: number
}

interface How {
  readonly timeoutMs?: number
  /** Cancels the task when the first text arrives. */
  readonly cancelsAtText?: boolean
  readonly interrupted?: AbortSignal
  readonly asking?: ModelRequest
  readonly breaker?: 'open'
}

async function make(model: Caller, how: How = {}): Promise<Made> {
  const { timeoutMs = 30_000, cancelsAtText = false, asking = asked, breaker } = how
  const limits = memoryLimits()
  const budgets = { ...defaultLimits.budgets, userTokens: 100_000 }
  const guard = createModelGuard({
    fleet: { limits: { ...defaultLimits, budgets } },
    limits,
    instruments: quietInstruments,
  })
  const options = { leaseMs: 5_000, keepMs: 60_000, forgottenMs: 60_000 }
  const calls = new CallMaker({
    journal: openJournal(memoryKeyValue({ durable: true }), systemClock, options),
    callers: { model },
    guards: { model: guard },
    breakers: {
      run: (name, work) => (breaker ? Promise.reject(new FlotillaError('BREAKER_OPEN', name)) : work()),
    },
    capacity: new Semaphore(1),
    clock: systemClock,
    instruments: quietInstruments,
  })
  const cancel = new AbortController()
  const made: CallRequest = {
    call: { kind: 'model', target: 'test', request: asking, timeoutMs, idempotent: true },
    id: 'c1',
    key: 't1',
    owner: 'p1',
    epoch: 1,
    interrupted: how.interrupted ?? cancel.signal,
    lost: new AbortController().signal,
    traceparent: null,
    stream: () => cancelsAtText && cancel.abort(),
  }
  const outcome = await calls.make(made)
  const [budget] = (await limits.budgets('')).filter(({ key }) => key.endsWith('user:ann'))
  const { settled = 0, reserved = 0 } = budget ?? {}
  return { outcome, tokens: tokensOf(outcome, asking), settled, reserved }
}

const clientOf = (baseUrl: string) => callerFor({ test: { baseUrl } }) as Caller
const codeOf = ({ outcome }: Made) => (outcome.ok ? null : outcome.failure.code)

/** Prompt and at least so much of an answer, marked as an estimate; limits and ledger have one figure. */
function assertPaid(made: Made, code: string, leastOutput: number): void {
  assert.equal(codeOf(made), code)
  const { inputTokens = 0, outputTokens = 0, usageIsEstimate } = made.tokens ?? {}
  assert.ok(inputTokens >= 1_200 && inputTokens < 1_400, `${inputTokens} of the prompt`)
  assert.ok(outputTokens >= leastOutput && outputTokens < leastOutput + 20, `${outputTokens} of the answer`)
  assert.equal(usageIsEstimate, true)
  assert.deepEqual([made.settled, made.reserved], [inputTokens + outputTokens, 0])
}

function assertFree(made: Made, code: string): void {
  assert.equal(codeOf(made), code)
  const { inputTokens, outputTokens } = made.tokens ?? { inputTokens: 0, outputTokens: 0 }
  assert.deepEqual([inputTokens, outputTokens, made.settled, made.reserved], [0, 0, 0, 0])
}

test('cancelled while it streams: the prompt and what has arrived', async (t) => {
  const server = await startProvider(t, (_, response) => events(response, [words], false))
  assertPaid(await make(clientOf(server.url), { cancelsAtText: true }), 'CALL_ABORTED', 100)
})

test('past its time limit while it streams: the same', async (t) => {
  const server = await startProvider(t, (_, response) => events(response, [words], false))
  assertPaid(await make(clientOf(server.url), { timeoutMs: SENT_MS }), 'CALL_TIMEOUT', 100)
})

test('what the model thinks, and the arguments of its tools, have arrived too', async (t) => {
  const thought = delta({ reasoning_content: 'x'.repeat(400) })
  const tool = { index: 0, id: 'a', function: { name: 'add', arguments: 'y'.repeat(400) } }
  const server = await startProvider(t, (_, response) =>
    events(response, [thought, delta({ tool_calls: [tool] }), delta({ content: '.' })], false),
  )
  assertPaid(await make(clientOf(server.url), { cancelsAtText: true }), 'CALL_ABORTED', 200)
})

test('a provider that reports as it goes: its figures, or more where more has arrived', async (t) => {
  const report = (completion_tokens: number) => ({ ...delta({}), usage: { ...usage, completion_tokens } })
  const server = await startProvider(t, (_, response) => events(response, [report(500), words], false))
  const exact = await make(clientOf(server.url), { cancelsAtText: true })
  assert.deepEqual(exact.tokens, { inputTokens: 11, outputTokens: 500, usageIsEstimate: false })
  server.handler = (_, response) => events(response, [report(0), words], false)
  const begun = await make(clientOf(server.url), { cancelsAtText: true })
  const half = { inputTokens: 11, outputTokens: 100, usageIsEstimate: true, reported: 'input' }
  assert.deepEqual(begun.tokens, half)
})

test('a provider that hangs: the prompt, which it has', async (t) => {
  const server = await startProvider(t, () => {})
  assertPaid(await make(clientOf(server.url), { timeoutMs: SENT_MS }), 'CALL_TIMEOUT', 0)
})

test('a provider that closes the connection or answers nothing: the prompt', async (t) => {
  const server = await startProvider(t, (_, response) => response.destroy())
  assertPaid(await make(clientOf(server.url)), 'MODEL_UNAVAILABLE', 0)
  server.handler = (_, response) => events(response, [])
  assertPaid(await make(clientOf(server.url)), 'MODEL_ANSWER_MALFORMED', 0)
})

test('a prompt of another script counts by its bytes', async (t) => {
  const server = await startProvider(t, () => {})
  const asking = { ...asked, messages: [{ role: 'user' as const, content: '漢字'.repeat(500) }] }
  const { tokens } = await make(clientOf(server.url), { timeoutMs: SENT_MS, asking })
  assert.ok(Number(tokens?.inputTokens) > 750, `${tokens?.inputTokens}`)
})

test('a caller that does not heed its signal is waited for a moment; the prompt counts', async () => {
  const deaf: Caller = () => new Promise(() => {})
  assertPaid(await make(deaf, { timeoutMs: 50 }), 'CALL_TIMEOUT', 0)
})

test('a caller that ends without a word: the prompt counts', async () => {
  const silent: Caller = (_, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
  assertPaid(await make(silent, { timeoutMs: 50 }), 'CALL_TIMEOUT', 0)
})

test('an answer that comes just after the stop is discarded, and paid for as reported', async () => {
  const late: Caller = (_, { signal }) =>
    new Promise((resolve) =>
      signal.addEventListener('abort', () => resolve({ text: 'late', inputTokens: 40, outputTokens: 2 })),
    )
  const made = await make(late, { timeoutMs: 50 })
  assert.deepEqual([codeOf(made), made.settled, made.reserved], ['CALL_TIMEOUT', 42, 0])
})

test('what never left costs nothing: no connection, an open breaker, a stop before it began', async (t) => {
  const server = await startProvider(t, () => {})
  await server.stop()
  assertFree(await make(clientOf(server.url)), 'MODEL_UNAVAILABLE')
  const unused: Caller = () => Promise.reject(new Error('it was called'))
  assertFree(await make(unused, { breaker: 'open' }), 'BREAKER_OPEN')
  assertFree(await make(unused, { interrupted: AbortSignal.abort() }), 'CALL_ABORTED')
})

test('what a provider refused costs nothing', async (t) => {
  const server = await startProvider(t, (_, response) => json(response, 503, { error: { message: 'busy' } }))
  assertFree(await make(clientOf(server.url)), 'MODEL_UNAVAILABLE')
  server.handler = (_, response) =>
    events(response, [{ error: { type: 'overloaded_error', message: 'Overloaded' } }])
  assertFree(await make(clientOf(server.url)), 'MODEL_UNAVAILABLE')
})

test('stopped while it asks a server which model it holds: nothing was sent', async (t) => {
  const server = await startProvider(t, () => {})
  const asking = { ...asked, model: 'test/default' }
  assertFree(await make(clientOf(server.url), { timeoutMs: SENT_MS, asking }), 'CALL_TIMEOUT')
  assert.equal(server.received[0]?.path, '/v1/models')
})

test('a connection that is never made: nothing was sent, whatever the time limit', async (t) => {
  // Takes connections and never shakes hands.
  const server = createServer()
  const sockets: Socket[] = []
  server.on('connection', (socket) => sockets.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  assertFree(await make(clientOf(url), { timeoutMs: SENT_MS }), 'CALL_TIMEOUT')
  assert.equal(sockets.length, 1)
})
