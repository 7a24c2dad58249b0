// Every published parameter of the two OpenAI-compatible routes, and what becomes of it: nothing is accepted and
// ignored. docs/openai-compatible.md is tested against this table.
//
// 1. Null is absent, as in the originals.
// 2. A parameter that is not in the table is refused.

export type Support =
  | { readonly is: 'supported'; readonly how: string }
  /** Only values that ask for what happens anyway. */
  | { readonly is: 'neutral'; readonly accepts: (value: unknown) => boolean; readonly how: string }
  /** A hint that can't change a result. */
  | { readonly is: 'hint'; readonly how: string }
  | { readonly is: 'refused'; readonly how: string }

export type Parameters = Readonly<Record<string, Support>>

const supported = (how: string): Support => ({ is: 'supported', how })
const refused = (how: string): Support => ({ is: 'refused', how })
const hint = (how: string): Support => ({ is: 'hint', how })
const only = (values: readonly unknown[], how: string): Support => ({
  is: 'neutral',
  accepts: (value) => values.includes(value),
  how,
})
const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.values(value).every((one) => one === null)
const empty = (how: string): Support => ({ is: 'neutral', accepts: isEmpty, how })

const ownTools = 'the tools of an agent are configured in flotilla.config.ts; a client can’t bring its own'
const perAgent = 'the models of an agent have no common equivalent'

const common = {
  model: supported('`flotilla/<agent>` or `<agent>`, as `GET /v1/models` lists them'),
  stream: supported('`true`: server-sent events'),
  temperature: supported(
    'if the agent lets its tasks choose it (`overrides.temperature`), or if it is the agent’s own',
  ),
  user: supported('the task’s user, if the client’s key names none'),
  safety_identifier: supported('the same as `user`'),
  metadata: supported('kept with the task: at most 16 names of 64 characters, texts of 512'),
  tools: empty(ownTools),
  tool_choice: only(['auto', 'none'], ownTools),
  parallel_tool_calls: hint('it is about tools of the client; an agent calls its own as it likes'),
  prompt_cache_key: hint('about caching at the provider'),
  prompt_cache_options: hint('about caching at the provider'),
  prompt_cache_retention: hint('about caching at the provider'),
  top_p: only([1], perAgent),
  top_logprobs: only(
    [0],
    'there are no log probabilities: the answer may come from several model calls, or from code',
  ),
  service_tier: only(['auto', 'default'], 'there are no tiers; `priority` is a field of `POST /v1/tasks`'),
  moderation: refused('moderation is the provider’s'),
} satisfies Parameters

export const chatParameters = {
  ...common,
  messages: supported('text; the last one, of the user, is the task, those before it are its history'),
  max_completion_tokens: supported(
    'the most tokens of one model answer; more than the agent’s own only if it allows them',
  ),
  max_tokens: supported('the same as `max_completion_tokens`'),
  response_format: supported(
    '`text`, `json_object`, or `json_schema`: the output is checked against the schema, `strict` or not',
  ),
  stream_options: supported('`include_usage`; `include_obfuscation` only as `false`'),
  n: only([1], 'a task has one result'),
  store: only([false], 'a chat completion can’t be read again; use `POST /v1/responses`'),
  logprobs: only([false], 'there are no log probabilities'),
  frequency_penalty: only([0], perAgent),
  presence_penalty: only([0], perAgent),
  logit_bias: empty(perAgent),
  verbosity: only(['medium'], perAgent),
  reasoning_effort: refused(perAgent),
  seed: refused('results are not reproducible by a seed'),
  stop: refused('an agent stops when it has its result'),
  audio: refused('only text is supported'),
  modalities: {
    is: 'neutral',
    accepts: (value) => Array.isArray(value) && value.every((one) => one === 'text'),
    how: 'only text is supported',
  },
  prediction: refused('predicted outputs are not supported'),
  functions: empty(ownTools),
  function_call: only(['auto', 'none'], ownTools),
  web_search_options: refused(ownTools),
} satisfies Parameters

export const responseParameters = {
  ...common,
  input: supported(
    'a text, or messages of text; the last one, of the user, is the task, those before it are its history',
  ),
  instructions: supported('a system message at the beginning of the history'),
  previous_response_id: supported('its conversation comes before `input`'),
  conversation: supported('a conversation of `POST /v1/conversations`, or `conv_` and the id of a session'),
  background: supported('`true`: the task itself; poll it, cancel it, resume its stream'),
  store: supported('`false`: it can’t be retrieved; not together with `background`'),
  max_output_tokens: supported(
    'the most tokens of one model answer; more than the agent’s own only if it allows them',
  ),
  text: supported('`format`: `text`, `json_object`, or `json_schema`; `verbosity` only as `medium`'),
  stream_options: empty('`include_obfuscation` is not supported'),
  include: empty('there is nothing to include'),
  reasoning: empty(perAgent),
  truncation: only(['disabled'], 'a conversation that is too long is refused, not cut'),
  max_tool_calls: refused('`maxSteps` of the agent limits its work'),
  prompt: refused('prompts are the agents’ configuration'),
  context_management: refused('a conversation that is too long is refused, not cut'),
  access_programs: refused('they are OpenAI’s own'),
  image: refused('only text is supported'),
} satisfies Parameters

export interface Mistake {
  readonly param: string | null
  readonly message: string
  readonly code: 'unknown_parameter' | 'unsupported_parameter' | 'unsupported_value' | 'invalid_value'
}

/** The first parameter that can't be taken; null if there is none. */
export function parameterMistake(body: Readonly<Record<string, unknown>>, table: Parameters): Mistake | null {
  for (const [param, value] of Object.entries(body)) {
    if (!Object.hasOwn(table, param))
      return {
        param: param.slice(0, 100),
        message: `unknown parameter ${JSON.stringify(param.slice(0, 100))}`,
        code: 'unknown_parameter',
      }
    const support = table[param] as Support
    if (value === null || value === undefined) continue
    if (support.is === 'refused')
      return { param, message: `${param} is not supported: ${support.how}`, code: 'unsupported_parameter' }
    if (support.is === 'neutral' && !support.accepts(value))
      return {
        param,
        message: `this value of ${param} is not supported: ${support.how}`,
        code: 'unsupported_value',
      }
  }
  return null
}
