// How OpenAI-compatible servers differ, as data: one row a server. Long because each server has a row of its own.
// dialect-server.ts speaks them, docs/model-servers.md shows them, dialects.test.ts runs the same suite against each, and
// fallback.test.ts puts each behind each other.

/** How tool calls come in a stream. */
export type CallStyle =
  /** By index from 0, arguments in pieces. */
  | 'pieces'
  /** By index from 1, because the text before them counts too. */
  | 'pieces from 1'
  /** A new id with every piece. */
  | 'pieces, changing ids'
  /** Whole, each with index 0 and an id of its own. */
  | 'whole, index 0'
  /** Whole, without index and id. */
  | 'whole, no ids'
  /** Whole, one id for all. */
  | 'whole, one id'

export type UsageStyle =
  'late chunk' | 'last chunk' | 'growing' | 'x_groq' | 'in the choice' | 'zero' | 'none'

/** What a server refuses in a conversation. */
export type Strictness =
  | 'names'
  | 'arguments'
  | 'ids of nine'
  | 'ids to 40'
  | 'plain ids'
  | 'unique ids'
  | 'pairs'
  | 'user after tool'
  | 'empty content'
  | 'half characters'
  | 'control characters'
  | 'assistant last'
  | 'assistant twice'
  | 'calls without tools'

/** What a server refuses in words from which a client learns what to send instead. */
export type Want =
  | 'text beside calls'
  | 'reasoning with every call'
  | 'names of answers'
  | 'a part of JSON Schema'
  | 'whole answers'

export interface ErrorAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

export interface Dialect {
  readonly who: string
  /** Takes `stream` and answers whole. */
  readonly answersWhole?: true
  readonly encoding?: 'gzip' | 'br'
  /** Between lines; default \n. */
  readonly eol?: '\r\n' | '\r'
  readonly byteOrderMark?: true
  /** Written between chunks. */
  readonly keepAlive?: string
  /** Each event's JSON stands on several data lines. */
  readonly multiLine?: true
  /** What ends the stream; default `data: [DONE]` and a blank line. */
  readonly last?: 'no [DONE]' | 'no blank line' | '[DONE] alone ends it'
  readonly calls: CallStyle
  /** Names of finish reasons that are not OpenAI's. */
  readonly finish?: { readonly stop?: string; readonly tools?: string; readonly length?: string }
  readonly usage: UsageStyle
  /** Field of the text that the model thinks. */
  readonly reasoning?: 'reasoning_content' | 'reasoning' | 'thinking parts'
  /** In the middle of a stream, or as its end. */
  readonly breaks: { readonly error: unknown } | { readonly finish: string }
  /** Too many requests, and when to ask again. */
  readonly limit: ErrorAnswer & { readonly waitMs: number | null }
  readonly tooLong: ErrorAnswer
  readonly refuses: readonly Strictness[]
  /** And the words with which it refuses. */
  readonly wants?: { readonly [W in Want]?: string }
}

const error = (message: string, more: Record<string, unknown> = {}) => ({ error: { message, ...more } })
const everything: readonly Strictness[] = [
  'names',
  'arguments',
  'pairs',
  'half characters',
  'control characters',
]

export const dialects: readonly Dialect[] = [
  {
    who: 'OpenAI',
    calls: 'pieces',
    usage: 'late chunk',
    breaks: { error: { message: 'The server had an error', type: 'server_error', param: null, code: null } },
    limit: {
      status: 429,
      headers: { 'retry-after-ms': '1500' },
      body: error('Rate limit reached', { code: 'rate_limit_exceeded' }),
      waitMs: 1_500,
    },
    tooLong: {
      status: 400,
      body: error("This model's maximum context length is 8192 tokens.", { code: 'context_length_exceeded' }),
    },
    refuses: [...everything, 'ids to 40'],
  },
  {
    who: 'OpenAI, unverified organization',
    answersWhole: true,
    calls: 'pieces',
    usage: 'late chunk',
    breaks: { finish: 'content_filter' },
    limit: {
      status: 429,
      headers: { 'retry-after': '2' },
      body: error('Rate limit reached', { code: 'rate_limit_exceeded' }),
      waitMs: 2_000,
    },
    tooLong: {
      status: 400,
      body: error("This model's maximum context length is 8192 tokens.", { code: 'context_length_exceeded' }),
    },
    refuses: [...everything, 'ids to 40'],
    wants: { 'whole answers': 'Your organization must be verified to stream this model.' },
  },
  {
    who: 'Azure OpenAI',
    calls: 'pieces',
    usage: 'late chunk',
    breaks: { finish: 'content_filter' },
    limit: {
      status: 429,
      body: error('Requests have exceeded the call rate limit. Please retry after 20 seconds.', {
        code: '429',
      }),
      waitMs: 20_000,
    },
    tooLong: {
      status: 400,
      body: error("This model's maximum context length is 8192 tokens.", { code: 'context_length_exceeded' }),
    },
    refuses: [...everything, 'ids to 40'],
  },
  {
    who: "Anthropic's endpoint",
    calls: 'pieces',
    usage: 'last chunk',
    keepAlive: 'event: ping\ndata: {"type":"ping"}\n\n',
    breaks: { error: { type: 'overloaded_error', message: 'Overloaded' } },
    limit: {
      status: 429,
      headers: { 'retry-after': '7' },
      body: { type: 'error', error: { type: 'rate_limit_error', message: 'slow down' } },
      waitMs: 7_000,
    },
    tooLong: {
      status: 400,
      body: error('input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000'),
    },
    refuses: [...everything, 'plain ids', 'unique ids', 'empty content', 'calls without tools'],
  },
  {
    who: "Gemini's endpoint",
    calls: 'whole, index 0',
    usage: 'growing',
    last: '[DONE] alone ends it',
    breaks: { finish: 'MALFORMED_FUNCTION_CALL' },
    limit: {
      status: 429,
      body: [
        error('You exceeded your current quota', {
          code: 429,
          status: 'RESOURCE_EXHAUSTED',
          details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34s' }],
        }),
      ],
      waitMs: 34_000,
    },
    tooLong: {
      status: 400,
      body: [
        error('The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).', {
          code: 400,
          status: 'INVALID_ARGUMENT',
        }),
      ],
    },
    refuses: everything,
    wants: {
      'a part of JSON Schema':
        'Invalid JSON payload received. Unknown name "additionalProperties" at \'tools[0].function_declarations[0].parameters\': Cannot find field.',
      'names of answers':
        '* GenerateContentRequest.contents[2].parts[0].function_response.name: Name cannot be empty.\n',
    },
  },
  {
    who: 'Mistral',
    calls: 'whole, index 0',
    usage: 'last chunk',
    reasoning: 'thinking parts',
    finish: { length: 'model_length' },
    breaks: { finish: 'error' },
    limit: {
      status: 429,
      headers: { 'ratelimit-reset': '12' },
      body: { object: 'error', message: 'Requests rate limit exceeded', type: 'rate_limited', code: '1300' },
      waitMs: 12_000,
    },
    tooLong: {
      status: 400,
      body: {
        object: 'error',
        message:
          'Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
        type: 'invalid_request_error',
        code: '3051',
      },
    },
    refuses: [
      ...everything,
      'ids of nine',
      'unique ids',
      'user after tool',
      'assistant last',
      'assistant twice',
    ],
  },
  {
    who: 'Groq',
    calls: 'whole, index 0',
    usage: 'x_groq',
    reasoning: 'reasoning',
    breaks: {
      error: { message: 'Failed to parse tool call', type: 'invalid_request_error', code: 'tool_use_failed' },
    },
    limit: {
      status: 429,
      headers: { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '7.66s' },
      body: error('Rate limit reached for model', { type: 'tokens', code: 'rate_limit_exceeded' }),
      waitMs: 7_660,
    },
    tooLong: {
      status: 400,
      body: error('Please reduce the length of the messages or completion.', {
        code: 'context_length_exceeded',
      }),
    },
    refuses: everything,
  },
  {
    who: 'DeepSeek',
    calls: 'pieces',
    usage: 'last chunk',
    keepAlive: ': keep-alive\n\n',
    reasoning: 'reasoning_content',
    breaks: { finish: 'insufficient_system_resource' },
    limit: { status: 429, body: error('Rate limit reached'), waitMs: null },
    tooLong: {
      status: 400,
      body: error("This model's maximum context length is 65536 tokens. However, you requested 70000 tokens"),
    },
    refuses: [...everything, 'unique ids'],
    wants: {
      'reasoning with every call':
        'Missing `reasoning_content` field in the assistant message at message index 2.',
    },
  },
  {
    who: 'OpenRouter',
    calls: 'pieces',
    usage: 'late chunk',
    keepAlive: ': OPENROUTER PROCESSING\n\n',
    reasoning: 'reasoning',
    breaks: { error: { code: 502, message: 'Provider disconnected', metadata: { provider_name: 'x' } } },
    limit: {
      status: 429,
      body: error('Rate limit exceeded', {
        code: 429,
        metadata: { headers: { 'X-RateLimit-Remaining': '0', 'Retry-After': '9' } },
      }),
      waitMs: 9_000,
    },
    tooLong: {
      status: 400,
      body: error('Provider returned error', {
        code: 400,
        metadata: {
          raw: '{"message":"prompt is too long: 210000 tokens > 200000 maximum"}',
          provider_name: 'x',
        },
      }),
    },
    refuses: everything,
  },
  {
    who: 'Ollama',
    calls: 'whole, index 0',
    usage: 'none',
    reasoning: 'reasoning',
    breaks: { error: 'llama runner process has terminated' },
    limit: { status: 429, body: { error: 'too many requests' }, waitMs: null },
    tooLong: {
      status: 500,
      body: error('the input length exceeds the context length', { type: 'api_error' }),
    },
    refuses: ['arguments'],
    wants: { 'text beside calls': 'invalid message content type: <nil>' },
  },
  {
    who: 'vLLM',
    calls: 'pieces, changing ids',
    usage: 'growing',
    reasoning: 'reasoning',
    breaks: {
      error: {
        object: 'error',
        message: 'EngineCore encountered an issue',
        type: 'InternalServerError',
        code: 500,
      },
    },
    limit: {
      status: 429,
      headers: { 'retry-after': '1' },
      body: { detail: 'Too many requests' },
      waitMs: 1_000,
    },
    tooLong: {
      status: 400,
      body: {
        object: 'error',
        message: 'The decoder prompt (length 5000) is longer than the maximum model length of 4096.',
        type: 'BadRequestError',
        code: 400,
      },
    },
    refuses: ['arguments', 'half characters'],
  },
  {
    who: 'llama.cpp',
    calls: 'pieces',
    usage: 'late chunk',
    reasoning: 'reasoning_content',
    breaks: { error: { code: 500, message: 'Compute error.', type: 'server_error' } },
    limit: { status: 429, body: error('slot unavailable', { code: 429 }), waitMs: null },
    tooLong: {
      status: 400,
      body: error('the request exceeds the available context size, try increasing it', {
        code: 400,
        type: 'exceed_context_size_error',
      }),
    },
    refuses: ['arguments', 'half characters'],
  },
  {
    who: 'LM Studio',
    calls: 'whole, no ids',
    usage: 'none',
    eol: '\r\n',
    last: 'no [DONE]',
    breaks: { error: { message: 'The model has crashed without additional information. (Exit code: 6)' } },
    limit: { status: 429, body: { error: 'busy' }, waitMs: null },
    tooLong: {
      status: 400,
      body: {
        error:
          'Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with 4096',
      },
    },
    refuses: [],
    wants: {
      'text beside calls': "Invalid 'content': 'content' field must be a string or an array of objects.",
    },
  },
  {
    who: 'SGLang',
    calls: 'pieces',
    usage: 'late chunk',
    finish: { tools: 'stop' },
    breaks: { finish: 'abort' },
    limit: {
      status: 429,
      body: { object: 'error', message: 'The request queue is full.', code: 429 },
      waitMs: null,
    },
    tooLong: {
      status: 400,
      body: {
        object: 'error',
        message: "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        type: 'BadRequestError',
        code: 400,
      },
    },
    refuses: ['arguments'],
  },
  {
    who: 'TGI',
    calls: 'whole, one id',
    usage: 'zero',
    last: 'no blank line',
    finish: { stop: 'eos_token', length: 'length' },
    breaks: { error: { error: 'Request failed during generation', error_type: 'generation' } },
    limit: {
      status: 429,
      body: { error: 'Model is overloaded', error_type: 'overloaded' },
      waitMs: null,
    },
    tooLong: {
      status: 422,
      body: {
        error:
          'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 20 `max_new_tokens`',
        error_type: 'validation',
      },
    },
    refuses: [],
  },
  {
    who: 'a gateway before Claude',
    calls: 'pieces from 1',
    usage: 'growing',
    keepAlive: 'data: \n\n',
    finish: { stop: 'end_turn', tools: 'tool_use', length: 'max_tokens' },
    breaks: { error: { code: '503', message: 'upstream connect error' } },
    limit: {
      status: 429,
      headers: { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '{epoch in 20 s}' },
      body: { message: 'Too many tokens, please wait before trying again.' },
      waitMs: 20_000,
    },
    tooLong: { status: 400, body: { message: 'Input is too long for requested model.' } },
    refuses: [
      ...everything,
      'plain ids',
      'unique ids',
      'empty content',
      'user after tool',
      'calls without tools',
    ],
  },
  {
    who: 'a proxy that compresses',
    calls: 'pieces',
    encoding: 'gzip',
    multiLine: true,
    byteOrderMark: true,
    usage: 'in the choice',
    breaks: { finish: 'network_error' },
    limit: {
      status: 429,
      headers: { 'retry-after': '{date in 30 s}' },
      body: '<html>429 Too Many Requests</html>',
      waitMs: 30_000,
    },
    tooLong: { status: 413, body: '<html>413 Request Entity Too Large</html>' },
    refuses: [],
  },
  {
    who: 'a server that answers whole',
    calls: 'whole, no ids',
    answersWhole: true,
    encoding: 'br',
    usage: 'late chunk',
    breaks: { error: { code: 500, message: 'worker died' } },
    limit: { status: 429, headers: { 'retry-after': '{epoch in 20 s}' }, body: {}, waitMs: 20_000 },
    tooLong: {
      status: 400,
      body: error("This model's maximum prompt length is 131072 but the request contains 136973 tokens."),
    },
    refuses: ['arguments'],
  },
]
