// The same suite against every dialect of dialects.ts: a real server, the real openai package, real HTTP.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { Emit } from '../../../../runtime/stage.ts'
import type { ModelReply, ModelSpend } from '../../../../services/planner/call.ts'
import { startDialect, type Turn } from './dialect-server.ts'
import { dialects, type Dialect } from './dialects.ts'
import { callContext, callerFor, request } from './provider-server.ts'

const rome = { name: 'look', argumentsText: '{"city":"Rome, \\"the\\" city {é}"}' }
const oslo = { name: 'look', argumentsText: '{"city":"Oslo"}' }
const now = { name: 'now', argumentsText: '{}' }
const words = 'Rome is warmer: 31°, and 😀 smiles.'

interface Asked {
  readonly streamed: Emit[]
  readonly ask: (signal?: AbortSignal) => Promise<ModelReply>
}

async function against(t: TestContext, dialect: Dialect, turn: Turn, stream = true): Promise<Asked> {
  const server = await startDialect(t, dialect, [turn])
  const call = callerFor({ test: { baseUrl: server.url } })
  const streamed: Emit[] = []
  return { streamed, ask: (signal) => call(request({ stream }), callContext(streamed, signal)) }
}

async function failureOf(asked: Promise<unknown>): Promise<FlotillaError> {
  const error: unknown = await asked.then(
    () => assert.fail('it succeeded'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof FlotillaError, String(error))
  return error
}

for (const dialect of dialects) {
  const { who } = dialect
  const isEstimate = dialect.usage === 'none' || dialect.usage === 'zero'

  for (const stream of [true, false]) {
    test(`${who}: an answer, ${stream ? 'streamed' : 'whole'}`, async (t) => {
      const { ask, streamed } = await against(t, dialect, { says: words }, stream)
      const reply = await ask()
      assert.equal(reply.text, words)
      assert.deepEqual([reply.toolCalls, reply.model, reply.usageIsEstimate], [[], 'm-1', isEstimate])
      const arrived = streamed.map((emit) => (emit.type === 'TokensStreamed' ? emit.data.text : '')).join('')
      assert.equal(arrived, stream ? words : '')
      if (isEstimate) assert.ok(reply.inputTokens > 10 && reply.outputTokens >= words.length / 5)
      else assert.deepEqual([reply.inputTokens, reply.outputTokens], [40, 30])
    })

    for (const calls of [[rome], [rome, oslo], [now, rome, oslo]]) {
      test(`${who}: ${calls.length} tool calls, ${stream ? 'streamed' : 'whole'}`, async (t) => {
        const { ask } = await against(t, dialect, { calls }, stream)
        const { toolCalls } = await ask()
        assert.deepEqual(
          toolCalls.map(({ name, argumentsText }) => ({ name, argumentsText })),
          calls,
        )
        assert.ok(toolCalls.every(({ id }) => id !== ''))
      })
    }

    test(`${who}: an answer that is cut at the limit says so, ${stream ? 'streamed' : 'whole'}`, async (t) => {
      const { ask } = await against(t, dialect, { cutOff: words }, stream)
      assert.equal((await ask()).finishReason, 'length')
    })

    test(`${who}: broken off in the middle is never a success, ${stream ? 'streamed' : 'whole'}`, async (t) => {
      const broken = await failureOf((await against(t, dialect, { breaks: 'Rome is' }, stream)).ask())
      const expected = ['MODEL_UNAVAILABLE', 'MODEL_ANSWER_MALFORMED', 'MODEL_CONTENT_FILTERED']
      assert.ok(expected.includes(broken.code), `${broken.code}: ${broken.message}`)
      assert.match(broken.message, /test (failed|broke|could not|withheld|answered 5\d\d)/)
      const lost = await failureOf((await against(t, dialect, { loses: 'Rome is' }, stream)).ask())
      assert.ok(['MODEL_UNAVAILABLE', 'MODEL_ANSWER_MALFORMED'].includes(lost.code), lost.message)
      assert.ok((lost.details as ModelSpend).inputTokens > 0, 'it was paid for')
    })
  }

  test(`${who}: too many requests, and when to come back`, async (t) => {
    const { ask } = await against(t, dialect, { error: dialect.limit })
    const { code, retryAfterMs = null } = await failureOf(ask())
    assert.equal(code, 'MODEL_RATE_LIMITED')
    const { waitMs } = dialect.limit
    if (waitMs === null) assert.equal(retryAfterMs, null)
    else assert.ok(Math.abs((retryAfterMs ?? 0) - waitMs) <= 2_000, `${retryAfterMs} ms`)
  })

  test(`${who}: a prompt that is too long`, async (t) => {
    const { ask } = await against(t, dialect, { error: dialect.tooLong })
    assert.equal((await failureOf(ask())).code, 'MODEL_CONTEXT_TOO_LONG')
  })

  test(`${who}: a call that is stopped ends at once, with the reason of its host`, async (t) => {
    const { ask } = await against(t, dialect, { hangs: 'Rome is' })
    const stop = new AbortController()
    const asked = failureOf(ask(stop.signal))
    stop.abort(new FlotillaError('CALL_ABORTED', 'cancelled'))
    assert.equal((await asked).code, 'CALL_ABORTED')
  })
}
