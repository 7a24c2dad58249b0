// Parts that both OpenAI-compatible routes share.
import { z } from 'zod'

const schemaFormat = {
  name: z.string().min(1).max(64),
  description: z.string().nullish(),
  schema: z.record(z.string(), z.unknown()).optional(),
  strict: z.boolean().nullish(),
}

/** `response_format` of a chat completion. */
export const responseFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({ type: z.literal('json_schema'), json_schema: z.strictObject(schemaFormat) }),
])

/** `text.format` of a response. */
export const textFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({ type: z.literal('json_schema'), ...schemaFormat }),
])

export const userFields = {
  user: z.string().nullish(),
  safety_identifier: z.string().nullish(),
}

export const temperature = z.number().min(0).max(2).nullish()
export const tokenLimit = z.int().min(1).max(2_147_483_647).nullish()

/** Names that begin so are the gateway's own. */
export const RESERVED_LABELS = 'openai.'
const MAX_LABELS = 16

export const metadata = z
  .record(z.string().max(64), z.string().max(512))
  .refine((labels) => Object.keys(labels).length <= MAX_LABELS, `at most ${MAX_LABELS} entries are allowed`)
  .refine(
    (labels) => !Object.keys(labels).some((name) => name.startsWith(RESERVED_LABELS)),
    `names that begin with ${RESERVED_LABELS} are reserved`,
  )
  .nullish()

/** A model of the list: an agent. */
export const model = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.string(),
  })
  .meta({ id: 'OpenAiModel' })
export const modelList = z
  .object({ object: z.literal('list'), data: z.array(model) })
  .meta({ id: 'OpenAiModelList' })

export const openaiError = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string().nullable(),
    }),
  })
  .meta({ id: 'OpenAiError' })

/** The place of a mistake as the originals write it: `messages[0].content`. */
export function paramOf(path: readonly PropertyKey[]): string | null {
  if (path.length === 0) return null
  return path
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : `${at === 0 ? '' : '.'}${String(part)}`))
    .join('')
}
