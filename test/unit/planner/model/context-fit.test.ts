// What is asked of a model near the edge of its context: the figures of R3's models, counted by their own tokenizers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countTokens as countNew } from 'gpt-tokenizer/encoding/o200k_base'
import { countTokens as countOld } from 'gpt-tokenizer/encoding/cl100k_base'
import { defaultSizes } from '../../../../runtime/config/defaults.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { sizeOf } from '../../../../runtime/models/sizes.ts'
import { fitToWindow } from '../../../../services/planner/model/context-window.ts'
import type { ModelRequest } from '../../../../services/planner/call.ts'
import { countedTokens } from '../../../../services/planner/model/token-count.ts'

const request = (model: string, content: string, changes: Partial<ModelRequest> = {}): ModelRequest => ({
  model,
  messages: [{ role: 'user', content }],
  temperature: 0,
  maxOutputTokens: 4_096,
  stream: false,
  step: 1,
  ...changes,
})
const site = { provider: 'openai', model: 'm', keyEnv: undefined, baseUrl: '' }
const fit = (asked: ModelRequest) => fitToWindow(asked, sizeOf(asked.model, defaultSizes), site)
/** One token each, in both tokenizers. */
const words = (count: number): string => ' word'.repeat(count)

test('the words of these tests are a token each', () => {
  for (const count of [countOld, countNew]) assert.equal(count(words(1_000)), 1_000)
})

// Model, tokens of the prompt, and the longest answer that is asked for; null: not sent.
const prompts: [string, number, number | null][] = [
  ['gpt-3.5-turbo', 1_000, 4_096],
  ['gpt-3.5-turbo', 10_000, 4_096],
  ['gpt-3.5-turbo', 12_200, 4_096],
  ['gpt-3.5-turbo', 13_000, 3_347],
  ['openai/gpt-3.5-turbo-0125', 14_000, 2_347],
  ['gpt-3.5-turbo', 16_300, 256],
  ['gpt-3.5-turbo', 16_385, 256],
  ['gpt-3.5-turbo', 16_386, null],
  ['gpt-4o', 100_000, 4_096],
  ['gpt-4o', 127_000, 962],
  ['gpt-4o', 128_001, null],
  // Others' tokenizers are not public: a margin, and nothing refused that may fit.
  ['groq/llama-3.3-70b-versatile', 100_000, 4_096],
  ['groq/llama-3.3-70b-versatile', 112_000, 2_234],
  ['groq/llama-3.3-70b-versatile', 140_000, 256],
  ['local/unheard-of', 140_000, 4_096],
]
for (const [model, tokens, answer] of prompts)
  test(`${model}: of a prompt of ${tokens} tokens ${answer === null ? 'nothing is sent' : `an answer of ${answer} is asked for`}`, async () => {
    const asked = request(model, words(tokens))
    if (answer === null) {
      const refused = async () => fit(asked)
      await assert.rejects(refused, (error: unknown) => {
        assert.ok(error instanceof FlotillaError && error.code === 'MODEL_CONTEXT_TOO_LONG')
        assert.match(
          error.message,
          new RegExp(`at least ${tokens} tokens, .* takes \\d+ \\(models\\.sizes\\)`),
        )
        return true
      })
      return
    }
    const { maxOutputTokens } = await fit(asked)
    assert.ok(Math.abs(maxOutputTokens - answer) <= 20, `${maxOutputTokens}`)
    const { contextTokens } = sizeOf(model, defaultSizes)
    // What OpenAI compares: tokens of the prompt, with three for the message and three for the reply, and the answer's.
    if (contextTokens !== null && maxOutputTokens > 256)
      assert.ok(tokens + 7 + maxOutputTokens <= contextTokens)
  })

test('far from the edge nothing is counted: it is the same request, at once', () => {
  const asked = request('gpt-4o', words(20_000))
  assert.equal(fit(asked), asked)
})

test('what tools take of the context is counted too', async () => {
  const parameters = { type: 'object', properties: { text: { type: 'string', description: words(2_000) } } }
  const tools = [
    { type: 'function' as const, function: { name: 'echo', description: 'Echoes.', parameters } },
  ]
  const asked = request('gpt-3.5-turbo', words(12_000), { tools })
  const { maxOutputTokens } = await fit(asked)
  assert.equal(maxOutputTokens, 16_385 - (await countedTokens(asked)))
  assert.ok(maxOutputTokens < 2_400)
})
