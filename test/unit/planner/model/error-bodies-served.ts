// What servers of one's own and those in front of others really send: Ollama, vLLM, llama.cpp, routers, proxies.
import { openAi, vllm, type ErrorBody } from './error-body.ts'

export const servedErrors: readonly ErrorBody[] = [
  {
    who: 'Ollama, too many waiting',
    status: 503,
    body: openAi('server busy, please try again. maximum pending requests exceeded', 'api_error', null),
    gives: 'MODEL_UNAVAILABLE',
  },
  {
    who: 'Ollama, a model without tools',
    status: 400,
    body: openAi('registry.ollama.ai/library/gemma:2b does not support tools', 'api_error', null),
    gives: 'MODEL_REQUEST_REFUSED',
  },
  {
    who: 'vLLM, newer, too long',
    status: 400,
    body: {
      error: {
        message:
          "This model's maximum context length is 8192 tokens. However, your request has 9001 input tokens.",
        type: 'BadRequestError',
        param: 'input_tokens',
        code: 400,
      },
    },
    gives: 'MODEL_CONTEXT_TOO_LONG',
  },
  {
    who: 'vLLM, the engine died',
    status: 500,
    body: { error: { message: 'EngineCore encountered an issue.', type: 'InternalServerError', code: 500 } },
    gives: 'MODEL_UNAVAILABLE',
  },
  {
    who: 'vLLM, wrong key',
    status: 401,
    body: { error: 'Unauthorized' },
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
