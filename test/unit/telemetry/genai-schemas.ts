// What the GenAI convention asks of content (open-telemetry/semantic-conventions-genai, model/gen-ai/*.json), as strict as it can be for
// the parts that are sent here: a field or a part of another name fails, where the published schemas would let it pass as a part of any kind.
import { Ajv } from 'ajv'

const text = { type: 'string' }
const part = (type: string, required: readonly string[], properties: object) => ({
  type: 'object',
  required: ['type', ...required],
  properties: { type: { const: type }, ...properties },
  additionalProperties: false,
})
const parts = {
  type: 'array',
  items: {
    anyOf: [
      part('text', ['content'], { content: text }),
      part('tool_call', ['name'], { id: { type: ['string', 'null'] }, name: text, arguments: {} }),
      part('tool_call_response', ['response'], { id: { type: ['string', 'null'] }, response: {} }),
      // A part of a custom type, which the convention allows.
      part('flotilla.omitted', [], { messages: { type: 'integer' }, tool_calls: { type: 'integer' } }),
    ],
  },
}
const message = (more: object) => ({
  type: 'object',
  required: ['role', 'parts'],
  properties: { role: { enum: ['system', 'user', 'assistant', 'tool'] }, parts, ...more },
  additionalProperties: false,
})
const definition = {
  type: 'object',
  required: ['type', 'name'],
  properties: {
    type: { const: 'function' },
    name: text,
    description: { type: ['string', 'null'] },
    parameters: { anyOf: [{ $ref: 'http://json-schema.org/draft-07/schema#' }, { type: 'null' }] },
  },
  additionalProperties: false,
}

const schemas: Readonly<Record<string, object>> = {
  'gen_ai.input.messages': { type: 'array', items: message({}) },
  'gen_ai.output.messages': { type: 'array', items: message({ finish_reason: text }) },
  'gen_ai.system_instructions': { type: 'array', items: part('text', ['content'], { content: text }) },
  'gen_ai.tool.definitions': { type: 'array', items: definition },
  'gen_ai.tool.call.arguments': { type: 'object' },
  'gen_ai.tool.call.result': { type: 'object' },
}

export const contentNames = Object.keys(schemas)

const ajv = new Ajv({ strict: false })
const checks = new Map(Object.entries(schemas).map(([name, schema]) => [name, ajv.compile(schema)]))

/** The mistakes of a document; empty if it fits. */
export function mistakesOf(name: string, document: unknown): string {
  const check = checks.get(name)
  if (!check) throw new Error(`no schema of ${name}`)
  return check(document) ? '' : ajv.errorsText(check.errors)
}
