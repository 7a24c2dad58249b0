import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlotillaError, type ErrorCode } from '../../../runtime/errors.ts'
import { retryAfterOf } from '../../../services/planner/model-client-errors.ts'
import { callContext, callerFor, json, request, startProvider } from './provider-server.ts'

interface Row {
  readonly who: string
  readonly status: number
  readonly body: unknown
  readonly headers?: Record<string, string>
  readonly gives: ErrorCode
  readonly retryAfterMs?: number
}

const openAi = (message: string, type: string, code: string | null, param: string | null = null) => ({
  error: { message, type, param, code },
})
const anthropic = (type: string, message: string) => ({ type: 'error', error: { type, message } })
const azure = (code: string, message: string) => ({ error: { code, message } })
const vllm = (status: number, type: string, message: string) => ({
  object: 'error',
  message,
  type,
  param: null,
  code: status,
})

/** Bodies as these services send them. */
const rows: readonly Row[] = [
  {
    who: 'OpenAI, rate of requests',
    status: 429,
    body: openAi('Rate limit reached for gpt-4o on requests per min', 'requests', 'rate_limit_exceeded'),
    headers: { 'retry-after': '2' },
    gives: 'MODEL_RATE_LIMITED',
    retryAfterMs: 2_000,
  },
  {
    who: 'OpenAI, rate of tokens, told by reset headers',
    status: 429,
    body: openAi('Rate limit reached for gpt-4o on tokens per min', 'tokens', 'rate_limit_exceeded'),
    headers: {
      'x-ratelimit-remaining-requests': '99',
      'x-ratelimit-reset-requests': '8.64s',
      'x-ratelimit-remaining-tokens': '0',
      'x-ratelimit-reset-tokens': '6m0s',
    },
    gives: 'MODEL_RATE_LIMITED',
    retryAfterMs: 360_000,
  },
  {
    who: 'OpenAI, no quota left',
    status: 429,
    body: openAi(
      'You exceeded your current quota, please check your plan',
      'insufficient_quota',
      'insufficient_quota',
    ),
    gives: 'MODEL_QUOTA_EXCEEDED',
  },
  {
    who: 'OpenAI, wrong key',
    status: 401,
    body: openAi('Incorrect API key provided', 'invalid_request_error', 'invalid_api_key'),
    gives: 'MODEL_AUTH_FAILED',
  },
  {
    who: 'OpenAI, country',
    status: 403,
    body: openAi(
      'Country, region, or territory not supported',
      'request_forbidden',
      'unsupported_country_region_territory',
    ),
    gives: 'MODEL_AUTH_FAILED',
  },
  {
    who: 'OpenAI, no such model',
    status: 404,
    body: openAi('The model `gpt-9` does not exist', 'invalid_request_error', 'model_not_found'),
    gives: 'MODEL_REQUEST_REFUSED',
  },
  {
    who: 'OpenAI, too long',
    status: 400,
    body: openAi(
      "This model's maximum context length is 128000 tokens.",
      'invalid_request_error',
      'context_length_exceeded',
      'messages',
    ),
    gives: 'MODEL_CONTEXT_TOO_LONG',
  },
  {
    who: 'OpenAI, a bad tool schema',
    status: 400,
    body: openAi(
      "Invalid schema for function 'x'",
      'invalid_request_error',
      'invalid_function_parameters',
      'tools[0]',
    ),
    gives: 'MODEL_REQUEST_REFUSED',
  },
  {
    who: 'OpenAI, its own error',
    status: 500,
    body: openAi('The server had an error', 'server_error', null),
    gives: 'MODEL_UNAVAILABLE',
  },
  {
    who: 'OpenAI, overloaded',
    status: 503,
    body: openAi('The engine is currently overloaded', 'server_error', null),
    headers: { 'retry-after-ms': '750' },
    gives: 'MODEL_UNAVAILABLE',
    retryAfterMs: 750,
  },
  {
    who: 'Groq, rate of tokens',
    status: 429,
    body: openAi('Rate limit reached for model `llama-3.3-70b-versatile`', 'tokens', 'rate_limit_exceeded'),
    headers: { 'retry-after': '7.66', 'x-ratelimit-reset-requests': '2m59.56s' },
    gives: 'MODEL_RATE_LIMITED',
    retryAfterMs: 7_660,
  },
  {
    who: 'Groq, requests used up',
    status: 429,
    body: openAi('Rate limit reached', 'requests', 'rate_limit_exceeded'),
    headers: {
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '2m59.56s',
      'x-ratelimit-reset-tokens': '7.66s',
    },
    gives: 'MODEL_RATE_LIMITED',
    retryAfterMs: 179_560,
  },
  {
    who: 'Groq, request too large for the limit',
    status: 413,
    body: openAi('Request too large for model, Limit 6000, Requested 9000', 'tokens', 'request_too_large'),
    gives: 'MODEL_CONTEXT_TOO_LONG',
  },
  {
    who: 'Groq, a tool call that it could not parse',
    status: 400,
    body: {
      error: {
        message: 'Failed to call a function.',
        type: 'invalid_request_error',
        code: 'tool_use_failed',
        failed_generation: '<f',
      },
    },
    gives: 'MODEL_ANSWER_MALFORMED',
  },
  {
    who: 'Groq, flex capacity',
    status: 498,
    body: openAi('Flex tier capacity exceeded', 'capacity_exceeded', 'capacity_exceeded'),
    gives: 'MODEL_RATE_LIMITED',
  },
  {
    who: 'Anthropic, rate',
    status: 429,
    body: anthropic('rate_limit_error', 'This request would exceed your rate limit'),
    headers: { 'retry-after': '15' },
    gives: 'MODEL_RATE_LIMITED',
    retryAfterMs: 15_000,
  },
  {
    who: 'Anthropic, overloaded',
    status: 529,
    body: anthropic('overloaded_error', 'Overloaded'),
    gives: 'MODEL_UNAVAILABLE',
  },
  {
    who: 'Anthropic, too long',
    status: 400,
    body: anthropic('invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum'),
    gives: 'MODEL_CONTEXT_TOO_LONG',
  },
  {
    who: 'Anthropic, no credit',
    status: 400,
    body: anthropic('invalid_request_error', 'Your credit balance is too low to access the Anthropic API.'),
    gives: 'MODEL_QUOTA_EXCEEDED',
  },
  {
    who: 'Anthropic, wrong key',
    status: 401,
    body: anthropic('authentication_error', 'invalid x-api-key'),
    gives: 'MODEL_AUTH_FAILED',
  },
  {
    who: 'Anthropic, no such model',
    status: 404,
    body: anthropic('not_found_error', 'model: claude-9'),
    gives: 'MODEL_REQUEST_REFUSED',
  },
  {
    who: 'Anthropic, api_error',
    status: 500,
    body: anthropic('api_error', 'Internal server error'),
    gives: 'MODEL_UNAVAILABLE',
  },
  {
    who: 'Azure, rate',
    status: 429,
    body: azure('429', 'Requests to the ChatCompletions_Create Operation have exceeded call rate limit.'),
    headers: { 'retry-after': '20', 'retry-after-ms': '19500' },
    gives: 'MODEL_RATE_LIMITED',
    retryAfterMs: 19_500,
  },
  {
    who: 'Azure, volume quota',
    status: 403,
    body: azure('403', 'Out of call volume quota. Quota will be replenished in 3 days.'),
    gives: 'MODEL_QUOTA_EXCEEDED',
  },
  {
    who: 'Azure, no deployment',
    status: 404,
    body: azure('DeploymentNotFound', 'The API deployment for this resource does not exist.'),
    gives: 'MODEL_REQUEST_REFUSED',
  },
  {
    who: 'Azure, content filter',
    status: 400,
    body: azure(
      'content_filter',
      "The response was filtered due to the prompt triggering Azure OpenAI's policy.",
    ),
    gives: 'MODEL_REQUEST_REFUSED',
  },
  {
    who: 'Azure, wrong key (a number as code, no type)',
    status: 401,
    body: { statusCode: 401, message: 'Unauthorized. Access token is missing or invalid.' },
    gives: 'MODEL_AUTH_FAILED',
  },
  {
    who: 'Ollama, no such model',
    status: 404,
    body: openAi('model "mistral" not found, try pulling it first', 'api_error', null),
    gives: 'MODEL_REQUEST_REFUSED',
  },
  {
    who: 'Ollama, older: a plain string',
    status: 404,
    body: { error: "model 'mistral' not found" },
    gives: 'MODEL_REQUEST_REFUSED',
  },
  {
    who: 'Ollama, runner died',
    status: 500,
    body: openAi('llama runner process has terminated', 'api_error', null),
    gives: 'MODEL_UNAVAILABLE',
  },
  {
    who: 'vLLM, too long',
    status: 400,
    body: vllm(
      400,
      'BadRequestError',
      "This model's maximum context length is 4096 tokens. However, you requested 5000",
    ),
    gives: 'MODEL_CONTEXT_TOO_LONG',
  },
  {
    who: 'vLLM, no such model',
    status: 404,
    body: vllm(404, 'NotFoundError', 'The model `x` does not exist.'),
    gives: 'MODEL_REQUEST_REFUSED',
  },
  {
    who: 'vLLM, validation of FastAPI',
    status: 422,
    body: { detail: [{ loc: ['body', 'messages'], msg: 'field required' }] },
    gives: 'MODEL_REQUEST_REFUSED',
  },
  {
    who: 'llama.cpp, too long',
    status: 400,
    body: {
      error: {
        code: 400,
        message: 'the request exceeds the available size',
        type: 'exceed_context_size_error',
      },
    },
    gives: 'MODEL_CONTEXT_TOO_LONG',
  },
  {
    who: 'llama.cpp, still loading',
    status: 503,
    body: { error: { code: 503, message: 'Loading model', type: 'unavailable_error' } },
    gives: 'MODEL_UNAVAILABLE',
  },
  {
    who: 'OpenRouter, no credits',
    status: 402,
    body: { error: { code: 402, message: 'Insufficient credits' } },
    gives: 'MODEL_QUOTA_EXCEEDED',
  },
  {
    who: 'a proxy in front, its page',
    status: 502,
    body: '<html><h1>502 Bad Gateway</h1></html>',
    gives: 'MODEL_UNAVAILABLE',
  },
  { who: 'a gateway that timed out', status: 504, body: '', gives: 'MODEL_TIMEOUT' },
  {
    who: 'a message that only talks about quota',
    status: 404,
    body: openAi('no quota endpoint here', 'x', null),
    gives: 'MODEL_REQUEST_REFUSED',
  },
  { who: 'a teapot', status: 418, body: {}, gives: 'MODEL_REQUEST_REFUSED' },
]

for (const row of rows) {
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
  [{}, null],
]
for (const [headers, expected] of waits) {
  test(`the wait of ${JSON.stringify(headers)} is ${expected} ms`, () => {
    assert.equal(retryAfterOf({ status: 429, header: (name) => headers[name] ?? null }, now), expected)
  })
}
