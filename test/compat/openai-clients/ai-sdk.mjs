// Vercel's AI SDK against a gateway. Prints one JSON object: what it saw.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, jsonSchema, Output, streamText } from 'ai'

const provider = createOpenAICompatible({
  name: 'flotilla',
  baseURL: process.argv[2],
  apiKey: 'none',
  includeUsage: true,
  supportsStructuredOutputs: true,
})
const model = provider('flotilla/default')
const seen = {}

const whole = await generateText({ model, prompt: 'hello' })
seen.text = whole.text
seen.finish = whole.finishReason
seen.usage = whole.usage.totalTokens > 0

const stream = streamText({ model, messages: [{ role: 'user', content: 'hello' }] })
let text = ''
for await (const piece of stream.textStream) text += piece
seen.streamed = text
seen.streamedUsage = (await stream.usage).totalTokens > 0

const history = await generateText({
  model,
  messages: [
    { role: 'user', content: 'one' },
    { role: 'assistant', content: 'first' },
    { role: 'user', content: 'two' },
  ],
})
seen.history = history.text

const shown = streamText({ model: provider('flotilla/open'), prompt: 'task=shown' })
let reasoning = ''
for await (const part of shown.fullStream) if (part.type === 'reasoning-delta') reasoning += part.text
seen.reasoning = reasoning

const schema = jsonSchema({ type: 'object', properties: { price: { type: 'number' } }, required: ['price'] })
seen.object = (await generateText({ model, prompt: 'price', output: Output.object({ schema }) })).output

try {
  await generateText({ model, prompt: 'x', stopSequences: ['x'], maxRetries: 0 })
} catch (error) {
  seen.refused = [error.statusCode, JSON.parse(error.responseBody).error.param]
}
console.log(JSON.stringify(seen))
