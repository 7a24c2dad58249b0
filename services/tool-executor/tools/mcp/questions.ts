// What a server asks before it answers (`input_required`), as one question to a person.
//
// 1. Only forms are questions: text, and a schema of the answer. A server that asks for a model, for folders or for a
//    visit to a page is refused, and so is a schema that passes the bounds of schemas from outside.
// 2. Several forms are one question, whose answer has a property for each.
import { z } from 'zod'
import type { JsonSchema } from '../../../../runtime/config/fleet.ts'
import { compileJsonSchema } from '../../../../runtime/config/json-schema/compile.ts'
import { FlotillaError, messageOf } from '../../../../runtime/errors.ts'
import { schemaMistakes } from '../../../../runtime/foreign-schema/bounds.ts'
import { linearPatterns } from '../../../../runtime/foreign-schema/patterns.ts'
import { isDeeperThan, MAX_JSON_DEPTH } from '../../../../runtime/json/depth.ts'
import type { Json } from '../../../../schemas/json.ts'
import type { ServerQuestion } from '../../call.ts'
import { said } from './link-error.ts'

const MAX_FORMS = 16
const MAX_BYTES = 64_000

/** As the server sends it. */
export interface Asked {
  readonly inputRequests?: Record<string, unknown> | undefined
  readonly requestState?: string | undefined
}

const formSchema = z.object({
  method: z.literal('elicitation/create'),
  params: z.looseObject({
    mode: z.literal('form').optional(),
    message: z.string(),
    requestedSchema: z.record(z.string(), z.json()),
  }),
})
type Form = z.infer<typeof formSchema>['params']

/** Throws MCP_INPUT_REQUIRED for what no person can be asked. */
export function questionOf(server: string, asked: Asked): ServerQuestion {
  const { inputRequests = {}, requestState = null } = asked
  if (isDeeperThan(inputRequests as Json, MAX_JSON_DEPTH))
    throw inputRequired(server, `nested more than ${MAX_JSON_DEPTH} deep`)
  if (Buffer.byteLength(JSON.stringify(asked)) > MAX_BYTES)
    throw inputRequired(server, `with more than ${MAX_BYTES} bytes`)
  const forms = Object.entries(inputRequests).map(([name, value]) => [name, formOf(server, value)] as const)
  if (forms.length === 0 || forms.length > MAX_FORMS)
    throw inputRequired(server, `by ${forms.length} questions, which must be 1 to ${MAX_FORMS}`)
  const names = forms.map(([name]) => name)
  const text = forms.map(([, { message }]) => message).join('\n\n')
  return { server, text, names, answer: checkedSchema(server, forms), state: requestState }
}

function formOf(server: string, value: unknown): Form {
  const parsed = formSchema.safeParse(value)
  if (parsed.success) return parsed.data.params
  const { method } = { method: undefined, ...(value as { method?: unknown } | null) }
  throw inputRequired(
    server,
    method === 'elicitation/create' ? 'by something else than a form' : `by ${said(String(method))}`,
  )
}

function checkedSchema(server: string, forms: readonly (readonly [string, Form])[]): JsonSchema {
  const [first] = forms
  const answer: JsonSchema =
    forms.length === 1 && first
      ? first[1].requestedSchema
      : {
          type: 'object',
          required: forms.map(([name]) => name),
          properties: Object.fromEntries(
            forms.map(([name, { message, requestedSchema }]) => [
              name,
              { description: message, ...requestedSchema },
            ]),
          ),
        }
  const [mistake] = schemaMistakes(answer, MAX_BYTES)
  if (mistake !== undefined) throw inputRequired(server, `by a form that can't be used: ${said(mistake)}`)
  try {
    compileJsonSchema(answer, { patterns: linearPatterns })
  } catch (error) {
    throw inputRequired(server, `by a form that can't be used: ${said(messageOf(error))}`)
  }
  return answer
}

/** `how`: the server asks so, and nobody can answer it. */
const inputRequired = (server: string, how: string): FlotillaError =>
  new FlotillaError(
    'MCP_INPUT_REQUIRED',
    `MCP server ${server} asks for input before it answers, ${how}: nobody can give it here`,
  )
