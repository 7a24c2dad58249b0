// The guard around model calls, on real limits in memory.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { encode as encodeOld } from 'gpt-tokenizer/encoding/cl100k_base'
import { encode as encodeNew } from 'gpt-tokenizer/encoding/o200k_base'
import { defaultLimits } from '../../../../runtime/config/defaults.ts'
import type { BudgetLimits, RateLimits } from '../../../../runtime/config/fleet.ts'
import { failure, type ErrorCode } from '../../../../runtime/errors.ts'
import type { GuardedCall } from '../../../../runtime/host/calls/guard.ts'
import { memoryLimits } from '../../../../runtime/testing/memory/limits.ts'
import { memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import type { CallOutcome } from '../../../../runtime/stage.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { createModelGuard } from '../../../../services/planner/model/guard.ts'
import type { ModelRequest } from '../../../../services/planner/call.ts'
import { countedTokens, mostTokens } from '../../../../services/planner/model/token-count.ts'

const NOW = Date.UTC(2026, 10, 24, 23, 59)
const DAY = '2026-11-24:'

const request = (changes: Partial<ModelRequest> = {}): ModelRequest => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content: 'How warm is it in Rome?' }],
  temperature: 0,
  maxOutputTokens: 1_000,
  stream: false,
  step: 1,
  userId: 'ann',
  ...changes,
})

function guarded(budgets: Partial<BudgetLimits> = {}, rates: Partial<RateLimits> = {}) {
  const clock = { ms: NOW, now: () => clock.ms, schedule: () => () => {} }
  const keyValue = memoryKeyValue({ clock })
  const limits = memoryLimits({ clock, keyValue })
  const settings = {
    ...defaultLimits,
    budgets: { ...defaultLimits.budgets, ...budgets },
    rates: { ...defaultLimits.rates, ...rates },
  }
  const guard = createModelGuard({
    fleet: { limits: settings },
    limits,
    instruments: quietInstruments,
    clock,
  })
  const call = (id: string, changes: Partial<ModelRequest> = {}): GuardedCall => ({
    id,
    key: 'task',
    stream: () => {},
    call: { kind: 'model', target: 'openai', request: request(changes), timeoutMs: 10_000, idempotent: true },
  })
  const standing = async (key: string) => {
    const state = (await limits.budgets(DAY + key))[0]
    return state && [state.settled, state.reserved]
  }
  return { clock, limits, keyValue, guard, call, standing }
}

const used = (inputTokens: number, outputTokens: number, startedMs = NOW): CallOutcome => ({
  ok: true,
  value: { inputTokens, outputTokens },
  startedMs,
  endedMs: startedMs + 5,
  callId: 'c',
})
const failed = (code: ErrorCode, details?: unknown): CallOutcome => ({
  ok: false,
  failure: { ...failure(code, 'test'), details },
  startedMs: NOW,
  endedMs: NOW + 5,
  callId: 'c',
})

test('prompt and longest answer are reserved for fleet, user and model, and settled to what was used', async () => {
  const { guard, call, standing } = guarded()
  assert.equal(await guard.reserve(call('c')), null)
  const reserved = mostTokens(request()) + 1_000
  for (const key of ['fleet', 'user:ann', 'model:gpt-4o'])
    assert.deepEqual(await standing(key), [0, reserved])
  await guard.settle(call('c'), used(20, 7))
  for (const key of ['fleet', 'user:ann', 'model:gpt-4o']) assert.deepEqual(await standing(key), [27, 0])
})

test('settled only if the journal has the outcome: not for another owner’s, nor what was not used', async () => {
  const { guard, call, keyValue, standing } = guarded()
  const entry = { key: 'journal:c', begins: '{"state":"done","epoch":1,' }
  const reserved = mostTokens(request()) + 1_000
  await guard.reserve(call('c'))
  const settleIf = async (outcome: CallOutcome) => guard.settleIf?.(call('c'), outcome, entry)
  await keyValue.set('journal:c', '{"state":"done","epoch":12,')
  assert.equal(await settleIf(used(20, 7)), false)
  assert.deepEqual(await standing('fleet'), [0, reserved])
  await keyValue.set('journal:c', '{"state":"done","epoch":1,"hash":"…"}')
  assert.equal(await settleIf(failed('BREAKER_OPEN')), false)
  assert.deepEqual(await standing('fleet'), [0, reserved], 'what gives it back is asked for by itself')
  assert.equal(await settleIf(used(20, 7)), true)
  assert.deepEqual(await standing('fleet'), [27, 0])
})

// What a failed call has used: the ledger's figure.
const endings: [ErrorCode, unknown, number][] = [
  ['BREAKER_OPEN', undefined, 0],
  ['CALL_ABORTED', undefined, 0],
  ['CALL_ABORTED', { inputTokens: 30, outputTokens: 2 }, 32],
  ['MODEL_TIMEOUT', { inputTokens: 30, outputTokens: 0 }, 30],
  ['MODEL_RATE_LIMITED', undefined, 0],
]
for (const [code, details, tokens] of endings)
  test(`${code} with ${JSON.stringify(details)} counts ${tokens} tokens and holds none`, async () => {
    const { guard, call, standing } = guarded()
    await guard.reserve(call('c'))
    await guard.settle(call('c'), failed(code, details))
    assert.deepEqual(await standing('fleet'), [tokens, 0])
  })

test('tokens held by others are waited for; a budget that is spent ends it', async () => {
  const { guard, call } = guarded({ fleetTokens: 2_000 })
  await guard.reserve(call('c1'))
  const held = await guard.reserve(call('c2'))
  assert.deepEqual([held?.code, held?.retryAfterMs], ['RATE_LIMITED', 1_000])
  await guard.settle(call('c1'), used(1_000, 500))
  const over = await guard.reserve(call('c2'))
  assert.equal(over?.code, 'BUDGET_EXCEEDED')
  assert.match(
    over?.message ?? '',
    /of the fleet .*of 2,000 tokens, 1,500 are used and 0 reserved .*fleetTokens.*in 1 minute/,
  )
})

test('near the limit the tokens are counted: a prompt that fits is not turned away by the upper bound', async () => {
  const messages = [{ role: 'user' as const, content: 'The weather in Rome is warm and dry. '.repeat(200) }]
  const counted = await countedTokens(request({ messages }))
  assert.ok(counted * 2 < mostTokens(request({ messages })))
  const { guard, call, standing } = guarded({ fleetTokens: counted + 1_000 })
  assert.equal(await guard.reserve(call('c', { messages })), null)
  assert.deepEqual(await standing('fleet'), [0, counted + 1_000])
})

// Four bytes a token are estimated where nothing is reported; a tokenizer makes far fewer tokens of this.
const repeated = [{ role: 'user' as const, content: 'x'.repeat(8_000) }]
const guesses: [string, CallOutcome][] = [
  ['stopped, and nothing is reported', { ...failed('CALL_ABORTED'), made: true } as CallOutcome],
  [
    'stopped, and an estimate is reported',
    failed('MODEL_TIMEOUT', { inputTokens: 2_010, outputTokens: 5_000, usageIsEstimate: true }),
  ],
  [
    'answered without usage',
    {
      ...used(2_010, 5_000),
      value: { inputTokens: 2_010, outputTokens: 5_000, usageIsEstimate: true },
    } as CallOutcome,
  ],
]
for (const [what, outcome] of guesses)
  test(`a call near the limit that is ${what} costs no more than was reserved`, async () => {
    const counted = await countedTokens(request({ messages: repeated }))
    assert.ok(counted < 1_900)
    const { guard, call, standing } = guarded({ fleetTokens: counted + 1_000 })
    const made = call('c', { messages: repeated })
    assert.equal(await guard.reserve(made), null)
    const bounded = guard.bounded?.(made, outcome) ?? outcome
    await guard.settle(made, bounded)
    const [settled = 0, reserved = 0] = (await standing('fleet')) ?? []
    assert.ok(settled <= counted + 1_000 && settled >= counted, `${settled} of ${counted + 1_000}`)
    assert.equal(reserved, 0)
  })

test('what a provider reports counts as it is, above what was reserved too', async () => {
  const { guard, call, standing } = guarded()
  const made = call('c')
  await guard.reserve(made)
  const outcome = used(100_000, 5_000)
  assert.equal(guard.bounded?.(made, outcome), outcome)
  await guard.settle(made, outcome)
  assert.deepEqual(await standing('fleet'), [105_000, 0])
})

// Reported figures, the bounds of the estimate beside them, and what is settled in the end.
const halves: ['input' | 'output', [number, number], (prompt: number) => [number, number]][] = [
  ['input', [100_000, 5_000], () => [100_000, 1_000]],
  ['input', [10, 5_000], (prompt) => [10, prompt - 10 + 1_000]],
  ['input', [10, 300], () => [10, 300]],
  ['output', [90_000, 5_000], (prompt) => [prompt, 5_000]],
  ['output', [90_000, 3], (prompt) => [prompt, 3]],
]
for (const [reported, [inputTokens, outputTokens], expected] of halves)
  test(`only ${reported} is reported, of ${inputTokens} and ${outputTokens}: that stays, the other is bounded`, async () => {
    const { guard, call } = guarded()
    const made = call('c')
    await guard.reserve(made)
    const spend = { inputTokens, outputTokens, usageIsEstimate: true, reported }
    const [input, output] = expected(mostTokens(request()))
    const wanted = { ...spend, inputTokens: input, outputTokens: output }
    const answered = guard.bounded?.(made, { ...used(0, 0), value: spend } as CallOutcome)
    assert.deepEqual(answered?.ok && answered.value, wanted)
    const stopped = guard.bounded?.(made, failed('MODEL_TIMEOUT', spend))
    assert.deepEqual(stopped?.ok === false && stopped.failure.details, wanted)
  })

test('the first call of a task takes over its admission’s reservation', async () => {
  const { guard, call, limits, standing } = guarded({ fleetTokens: 5_000 })
  const claim = {
    form: 'budget',
    key: `${DAY}fleet`,
    amount: 5_000,
    limit: 5_000,
    resetsAtMs: NOW + 60_000,
  } as const
  await limits.reserve({ id: 'task', alternatives: [[claim]], ttlMs: 60_000 })
  assert.equal(await guard.reserve(call('c')), null)
  assert.deepEqual(await standing('fleet'), [0, mostTokens(request()) + 1_000])
})

test('a call is counted on the day on which it began, as the ledger has it', async () => {
  const { clock, guard, call, limits, standing } = guarded()
  await guard.reserve(call('c'))
  clock.ms += 120_000
  await guard.settle(call('c'), used(20, 7))
  assert.deepEqual(await standing('fleet'), [27, 0])
  assert.deepEqual(await limits.budgets('2026-11-25:'), [])
})

test('a provider’s rates are shared by all its models, and waited for', async () => {
  const { clock, guard, call } = guarded(
    {},
    { providers: { openai: { requestsPerMinute: 2, tokensPerMinute: 10_000 } } },
  )
  assert.equal(await guard.reserve(call('c1')), null)
  await guard.settle(call('c1'), failed('MODEL_RATE_LIMITED'))
  clock.ms += 10_000
  assert.equal(await guard.reserve(call('c2', { model: 'gpt-3.5-turbo', userId: null })), null)
  const waits = await guard.reserve(call('c3'))
  assert.deepEqual([waits?.code, waits?.retryAfterMs], ['RATE_LIMITED', 50_000])
  assert.match(
    waits?.message ?? '',
    /provider openai has used 2 of 2 requests in 60 s \(limits\.rates\.providers\.openai/,
  )
  assert.equal(await guard.reserve(call('c4', { model: 'groq/llama' })), null)
  clock.ms += 50_000
  assert.equal(await guard.reserve(call('c3')), null)
  const tokens = await guard.reserve(call('c5', { maxOutputTokens: 20_000 }))
  assert.match(tokens?.message ?? '', /tokens in 60 s/)
})

// Configured rates of models, the models called in turn, and what the last of them is told.
const modelRates: [string, RateLimits['models'], string[], RegExp | null][] = [
  [
    'requests of a model',
    { 'gpt-4o': { requestsPerMinute: 2 } },
    ['gpt-4o', 'gpt-4o', 'gpt-4o'],
    /^model gpt-4o has used 2 of 2 requests in 60 s \(limits\.rates\.models\.gpt-4o\.requestsPerMinute\)/,
  ],
  [
    'tokens of a model, of which there is more than one call takes',
    { 'gpt-4o': { tokensPerMinute: 1_500 } },
    ['gpt-4o', 'gpt-4o'],
    /^model gpt-4o has used 1,\d{3} of 1,500 tokens .*models\.gpt-4o\.tokensPerMinute/,
  ],
  [
    'a model in its two spellings is one',
    { 'openai/gpt-4o': { requestsPerMinute: 1 } },
    ['gpt-4o', 'openai/gpt-4o'],
    /^model gpt-4o has used 1 of 1 requests/,
  ],
  [
    'a prefix, for each model by itself',
    { 'groq/llama': { requestsPerMinute: 1 } },
    ['groq/llama-3.1-8b', 'groq/llama-3.3-70b'],
    null,
  ],
  [
    'a prefix, for the second call of one of them',
    { 'groq/llama': { requestsPerMinute: 1 } },
    ['groq/llama-3.1-8b', 'groq/llama-3.1-8b'],
    /^model groq\/llama-3\.1-8b .*models\.groq\/llama\.requestsPerMinute/,
  ],
  [
    'the longest prefix counts',
    { gpt: { requestsPerMinute: 1 }, 'gpt-4o-mini': { requestsPerMinute: 2 } },
    ['gpt-4o-mini', 'gpt-4o-mini'],
    null,
  ],
  [
    'the same name at another provider is another model',
    { 'gpt-4o': { requestsPerMinute: 1 } },
    ['gpt-4o', 'azure/gpt-4o'],
    null,
  ],
  [
    'what a name holds says nothing of its unit',
    { 'local/tokens': { requestsPerMinute: 1 } },
    ['local/tokens', 'local/tokens'],
    /1 of 1 requests/,
  ],
]
for (const [name, models, called, told] of modelRates)
  test(`rates of a model: ${name}`, async () => {
    const { clock, guard, call } = guarded({}, { models })
    const last = called.length - 1
    for (const [place, model] of called.slice(0, last).entries())
      assert.equal(await guard.reserve(call(`c${place}`, { model })), null)
    clock.ms += 20_000
    const refusal = await guard.reserve(call('last', { model: called[last] ?? '' }))
    if (told === null) return assert.equal(refusal, null)
    assert.deepEqual([refusal?.code, refusal?.retryAfterMs], ['RATE_LIMITED', 40_000])
    assert.match(refusal?.message ?? '', told)
    clock.ms += 40_000
    assert.equal(await guard.reserve(call('last', { model: called[last] ?? '' })), null)
  })

test('a provider’s rate and its model’s hold together: the one that is full is named', async () => {
  const rates = {
    providers: { openai: { requestsPerMinute: 2 } },
    models: { 'gpt-4o': { requestsPerMinute: 1 } },
  }
  const { guard, call } = guarded({}, rates)
  assert.equal(await guard.reserve(call('c1')), null)
  assert.match((await guard.reserve(call('c2')))?.message ?? '', /^model gpt-4o/)
  assert.equal(await guard.reserve(call('c3', { model: 'gpt-3.5-turbo' })), null, 'a refusal took nothing')
  assert.match(
    (await guard.reserve(call('c4', { model: 'gpt-3.5-turbo' })))?.message ?? '',
    /^provider openai/,
  )
})

test('a call stopped before it was made gives its place in a rate back', async () => {
  const { guard, call } = guarded({}, { providers: { openai: { requestsPerMinute: 1 } } })
  await guard.reserve(call('c1'))
  await guard.settle(call('c1'), failed('BREAKER_OPEN'))
  assert.equal(await guard.reserve(call('c2')), null)
})

test('a first call of a model that nothing limits frees what admission reserved for another, and counts nowhere', async () => {
  const none = { fleetTokens: null, userTokens: null, modelTokens: null }
  const { guard, call, limits, standing } = guarded(
    { ...none, models: { dear: 9_000 } },
    { userTokens: null },
  )
  const bounds = { limit: 9_000, resetsAtMs: NOW + 60_000 }
  const claim = { form: 'budget', key: `${DAY}model:dear`, amount: 5_000, ...bounds } as const
  await limits.reserve({ id: 'task', alternatives: [[claim]], ttlMs: 60_000 })
  assert.equal(guard.applies(call('c').call), true)
  assert.equal(await guard.reserve(call('c')), null)
  assert.deepEqual(await standing('model:dear'), [0, 0])
  await guard.settle(call('c'), used(20, 7))
  assert.deepEqual(await standing(''), [0, 0])
})

test('where nothing is limited the guard is not asked at all', () => {
  const none = { fleetTokens: null, userTokens: null, modelTokens: null }
  const { guard, call } = guarded(none, { userTokens: null })
  assert.equal(guard.applies(call('c').call), false)
  assert.equal(guarded(none).guard.applies(call('c').call), true)
  assert.equal(guarded(none).guard.applies(call('c', { userId: null }).call), false)
})

const texts: Record<string, string> = {
  prose: 'Příliš žluťoučký kůň úpěl ďábelské ódy. The quick brown fox. ',
  chinese: '请告诉我今天天气怎么样，北京和上海哪个更热？',
  arabic: 'ما هو الطقس اليوم في القاهرة؟',
  emoji: '🚀🎉👩‍👩‍👧',
  base64: randomBytes(300).toString('base64'),
  hexadecimal: randomBytes(300).toString('hex'),
  numbers: Array.from({ length: 200 }, (_, index) => (index * 7_919.37).toFixed(2)).join(','),
  json: JSON.stringify(Array.from({ length: 30 }, (_, id) => ({ id, ok: id % 2 === 0, tags: ['a', 'b'] }))),
}
for (const [name, text] of Object.entries(texts))
  test(`the upper bound of tokens is one: ${name}`, () => {
    const content = text.repeat(3)
    const most = mostTokens(request({ messages: [{ role: 'user', content }] }))
    assert.ok(most >= Math.max(encodeOld(content).length, encodeNew(content).length) + 10, String(most))
  })
