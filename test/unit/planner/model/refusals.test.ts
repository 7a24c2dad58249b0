// Words in which servers refuse, and what they are asked without then.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusalsIn } from '../../../../services/planner/model/refusals.ts'
import { readError } from '../../../../services/planner/model/bodies.ts'

const refusals = (body: unknown, status = 400) => {
  const { codes, param, message } = readError(body)
  const none = { cause: null, header: () => null, retryDelay: null }
  return refusalsIn({ status, codes, param, message, ...none })
}

const said = (message: string, more: object = {}) => ({ error: { message, ...more } })

for (const [who, body, found] of [
  [
    'OpenAI, an organization that is not verified',
    said(
      'Your organization must be verified to stream this model. Please go to: https://platform.openai.com',
      {
        param: 'stream',
        code: 'unsupported_value',
      },
    ),
    ['stream'],
  ],
  [
    'OpenRouter, which quotes it',
    said('Provider returned error', {
      code: 400,
      metadata: {
        raw: '{\n "error": {\n "message": "Your organization must be verified to stream this model."}}',
      },
    }),
    ['stream'],
  ],
  ['a server without streams', said('Streaming is not supported for this model'), ['stream']],
  [
    'stream_options alone',
    said('Unrecognized request argument supplied: stream_options'),
    ['stream_options'],
  ],
  ['Ollama', said('invalid message content type: <nil>'), ['null content']],
  [
    'LM Studio',
    { error: "Invalid 'content': 'content' field must be a string or an array of objects." },
    ['null content'],
  ],
  ['OpenAI', said("Invalid value for 'content': expected a string, got null."), ['null content']],
  [
    'a server with FastAPI',
    { detail: [{ loc: ['body', 'messages', 2, 'content'], msg: 'Input should be a valid string' }] },
    ['null content'],
  ],
  ['a server in Rust', said('messages[2].content: invalid type: null, expected a string'), ['null content']],
  [
    'Moonshot',
    said('thinking is enabled but reasoning_content is missing in assistant tool call message at index 2'),
    ['no reasoning'],
  ],
  [
    'DeepSeek 3.2',
    said(
      'Missing `reasoning_content` field in the assistant message at message index 2. For more information',
    ),
    ['no reasoning'],
  ],
  [
    'DeepSeek 4',
    said('The `reasoning_content` in the thinking mode must be passed back to the API.'),
    ['no reasoning'],
  ],
  [
    'DeepSeek R1',
    said(
      'The reasoning_content is an intermediate result. Please remove the reasoning_content from your message',
    ),
    ['reasoning_content'],
  ],
  [
    'Groq',
    said(
      "'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : property 'reasoning_content' is unsupported)]",
    ),
    ['reasoning_content'],
  ],
  [
    'Gemini, an answer without the name of its call',
    [said('* GenerateContentRequest.contents[3].parts[0].function_response.name: Name cannot be empty.\n')],
    ['no tool name'],
  ],
  [
    'Gemini, several keywords',
    [
      said(
        'Invalid JSON payload received. Unknown name "$schema" at \'tools[0].function_declarations[0].parameters\': Cannot find field.\n' +
          'Invalid JSON payload received. Unknown name "exclusiveMinimum" at \'tools[0].function_declarations[0].parameters.properties[0].value\': Cannot find field.',
      ),
    ],
    ['schema $schema', 'schema exclusiveMinimum'],
  ],
  [
    'a gateway that quotes Gemini',
    said(
      '[400]: Invalid JSON payload received. Unknown name \\"const\\" at \'tools[0].function_declarations[5].parameters\': Cannot find field.',
    ),
    ['schema const'],
  ],
  [
    'Gemini, a format',
    [
      said(
        "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties[x].format: only 'enum' and 'date-time' are supported for STRING type",
      ),
    ],
    ['schema format'],
  ],
  [
    'Gemini, a list of types',
    [
      said(
        "Invalid value at 'tools[0].function_declarations[0].parameters.properties[0].value' (type), Proto field is not repeating, cannot start list.",
      ),
    ],
    ['schema list of types'],
  ],
  [
    'a strict schema',
    said(
      "Invalid schema for function 'look': In context=('properties', 'a'), 'uniqueItems' is not permitted.",
    ),
    ['schema uniqueItems'],
  ],
  [
    'a temperature',
    said("Unsupported value: 'temperature' does not support 0.3", { param: 'temperature' }),
    ['temperature'],
  ],
  ['Moonshot', said('invalid temperature: only 1 is allowed for this model'), ['temperature']],
  ['Anthropic', said('`temperature` is deprecated for this model.'), ['temperature']],
  [
    'Anthropic, of a model that thinks',
    said('`temperature` may only be set to 1 when thinking is enabled.'),
    ['temperature'],
  ],
  ['a temperature out of range', said('temperature must be between 0 and 1'), []],
  ['a temperature that is not taken', said('temperature: only values from 0 to 1 are allowed'), []],
  ['a limit that is too high', said('max_tokens is too large: 32768. This model supports at most 16384'), []],
  ['a prompt that is too long', said('input length and `max_tokens` exceed context limit'), []],
  ['a filter', said('The response was filtered: content management policy', { code: 'content_filter' }), []],
  ['a bad key', said('API key not valid. Please pass a valid API key.'), []],
  ['a model that is not there', said('The model `format` does not exist'), []],
] as const) {
  test(`${who}: ${found.join(', ') || 'nothing of this kind'}`, () => {
    assert.deepEqual(refusals(body), found)
    assert.deepEqual(refusals(body, 500), [])
  })
}
