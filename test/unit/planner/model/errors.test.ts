import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { retryAfterOf } from '../../../../services/planner/model/waits.ts'
import { saysTooLong } from '../../../../services/planner/model/context-errors.ts'
import { hostedErrors } from './error-bodies-hosted.ts'
import { servedErrors } from './error-bodies-served.ts'
import { callContext, callerFor, json, request, startProvider } from './provider-server.ts'

for (const row of [...hostedErrors, ...servedErrors]) {
  test(`${row.who} (${row.status}) is ${row.gives}`, async (t) => {
    const server = await startProvider(t, (_, response) => json(response, row.status, row.body, row.headers))
    const call = callerFor({ test: { baseUrl: server.url, keyEnv: 'TEST_KEY' } }, { TEST_KEY: 'k' })
    await assert.rejects(call(request({ stream: true }), callContext()), (error: unknown) => {
      assert.ok(error instanceof FlotillaError)
      assert.equal(error.code, row.gives, error.message)
      assert.equal(error.retryAfterMs, row.retryAfterMs)
      assert.match(error.message, new RegExp(`^test answered ${row.status} for model m-1: `))
      assert.ok(error.message.length < 800)
      return true
    })
    assert.equal(server.received.length, 1, 'one request a call')
  })
}

const now = Date.parse('2026-01-01T00:00:00Z')
const waits: [Record<string, string>, number | null][] = [
  [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }, 30_000],
  [{ 'retry-after': 'Wed, 31 Dec 2025 23:59:00 GMT' }, 0],
  [{ 'retry-after': 'soon' }, null],
  [{ 'retry-after': '-5' }, null],
  [{ 'retry-after': '0' }, 0],
  [{ 'x-ratelimit-reset-tokens': '20ms' }, 20],
  [{ 'x-ratelimit-reset-requests': '1h2m3s' }, 3_723_000],
  [{ 'x-ratelimit-reset-requests': '12' }, 12_000],
  [
    {
      'anthropic-ratelimit-requests-reset': '2026-01-01T00:00:10Z',
      'anthropic-ratelimit-requests-remaining': '0',
    },
    10_000,
  ],
  [{ 'x-ratelimit-reset-tokens': 'whenever' }, null],
  [{ 'retry-after': '1767225603' }, 3_000],
  [{ 'retry-after': '1767225603000' }, 3_000],
  [{ 'retry-after': '1767225500' }, 0],
  [{ 'retry-after-ms': '1767225603000' }, 3_000],
  [{ 'x-ratelimit-reset-requests': '1767225603', 'x-ratelimit-remaining-requests': '0' }, 3_000],
  [{ 'x-ratelimit-reset': '1767225603000' }, 3_000],
  [{ 'retry-after': '999999999' }, 86_400_000],
  [{ 'retry-after': 'Fri, 01 Jan 2082 00:00:00 GMT' }, 86_400_000],
  [{ 'retry-after': '30 seconds' }, 30_000],
  [{ 'retry-after': '5, 5' }, 5_000],
  [{}, null],
]
for (const [headers, expected] of waits) {
  test(`the wait of ${JSON.stringify(headers)} is ${expected} ms`, () => {
    assert.equal(retryAfterOf({ status: 429, header: (name) => headers[name] ?? null }, now), expected)
  })
}

for (const [words, waitMs] of [
  ['Please try again in 7.66s. Visit the console.', 7_660],
  ['Please retry after 20 seconds.', 20_000],
  ['Please try again in 2m59.5s.', 179_500],
  ['try again in 250 ms', 250],
  ['Rate limit: please wait 20 seconds before retrying', 20_000],
  ['wait for 2 minutes', 120_000],
  ['try again later', null],
] as const) {
  test(`"${words}" is a wait of ${waitMs} ms`, () => {
    assert.equal(retryAfterOf({ status: 429, header: () => null, message: words }, now), waitMs)
  })
}

const tooLong = [
  "This model's maximum prompt length is 131072 but the request contains 136973 tokens.",
  'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
  'prompt token count of 5000 exceeds the limit of 4096',
  'too many tokens: size limit exceeded by 200 tokens',
  'Your request exceeded model token limit: 8192',
  'Range of input length should be [1, 6000]',
  'Input validation error: `inputs` must have less than 1024 tokens. Given: 5000',
  'The number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model',
  'The prompt is too long: 12345, model maximum context length: 8191',
  'the request exceeds the available context size',
  'Requested token count exceeds the model maximum context length of 4096 tokens. You requested 5000 tokens: 20 completion tokens.',
]
const otherwiseWrong = [
  'the id of a call is too long (43 of at most 40 characters)',
  'max_tokens is too large: 100000. This model supports at most 4096 completion tokens.',
  'max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens for claude',
  'Invalid tools: array too long. Expected an array with maximum length 128.',
  'temperature must be less than 2',
  'Tool name is longer than 64 characters',
  'Invalid token in JSON body',
  'the messages must alternate between user and assistant',
]
for (const words of [...tooLong, ...otherwiseWrong]) {
  const isTooLong = tooLong.includes(words)
  test(`"${words.slice(0, 60)}" is ${isTooLong ? '' : 'not '}a prompt that is too long`, () => {
    assert.equal(saysTooLong(words), isTooLong)
  })
}
