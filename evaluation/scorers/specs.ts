// Scorers as data sets write them: a name such as "exact", or an object with a type.
import { z } from 'zod'
import { json } from '../../api/schemas/values.ts'
import type { Json } from '../../schemas/json.ts'

/** A mean by weights outside of these is not a number, or rounds to nothing. */
const MIN_WEIGHT = 1e-6
const MAX_WEIGHT = 1e6

const common = {
  name: z.string().min(1).max(60).optional(),
  weight: z.number().min(MIN_WEIGHT).max(MAX_WEIGHT).optional(),
  pass: z.number().min(0).max(1).optional(),
}
const texts = z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(100)])
const toolNames = z.array(z.string().min(1)).min(1).max(100)

const variants = {
  exact: z.strictObject({ type: z.literal('exact'), ...common }),
  normalised: z.strictObject({ type: z.literal('normalised'), ...common }),
  contains: z.strictObject({
    type: z.literal('contains'),
    value: texts.optional(),
    ignoreCase: z.boolean().optional(),
    ...common,
  }),
  regex: z.strictObject({
    type: z.literal('regex'),
    pattern: z.string().min(1).max(2_000),
    ignoreCase: z.boolean().optional(),
    ...common,
  }),
  json: z.strictObject({ type: z.literal('json'), ...common }),
  'json-subset': z.strictObject({ type: z.literal('json-subset'), ...common }),
  schema: z.strictObject({
    type: z.literal('schema'),
    schema: z.record(z.string(), json).optional(),
    ...common,
  }),
  number: z.strictObject({
    type: z.literal('number'),
    absolute: z.number().min(0).optional(),
    relative: z.number().min(0).optional(),
    ...common,
  }),
  'max-cost': z.strictObject({ type: z.literal('max-cost'), dollars: z.number().min(0), ...common }),
  'max-steps': z.strictObject({ type: z.literal('max-steps'), steps: z.int().min(1), ...common }),
  'max-latency': z.strictObject({ type: z.literal('max-latency'), ms: z.number().positive(), ...common }),
  tools: z.strictObject({
    type: z.literal('tools'),
    called: toolNames.optional(),
    never: toolNames.optional(),
    order: toolNames.optional(),
    ...common,
  }),
  judge: z.strictObject({
    type: z.literal('judge'),
    rubric: z.string().min(1).max(4_000),
    model: z.string().min(1).optional(),
    ...common,
  }),
  function: z.strictObject({
    type: z.literal('function'),
    module: z.string().min(1),
    export: z.string().min(1).optional(),
    ...common,
  }),
} as const

type Variants = typeof variants
export type ScorerType = keyof Variants
export type AnyScorerSpec = { [Type in ScorerType]: z.infer<Variants[Type]> }[ScorerType]
/** Without functions, which are loaded when the data set is read. */
export type ScorerSpec = Exclude<AnyScorerSpec, { type: 'function' }>
export type SpecOf<Type extends ScorerType> = z.infer<Variants[Type]>

export const scorerTypes = Object.keys(variants) as ScorerType[]

/** Those that compare with `expected`. */
const comparing: readonly string[] = ['exact', 'normalised', 'json', 'json-subset', 'number']

interface CaseFacts {
  readonly expected?: Json
  readonly hasOutputSchema: boolean
}

/** The scorer, or what is wrong with it. */
export function readSpec(given: unknown, facts: CaseFacts): AnyScorerSpec | { readonly mistakes: string[] } {
  const named = typeof given === 'string' ? { type: given } : given
  const type = typeof named === 'object' && named !== null ? Reflect.get(named, 'type') : undefined
  if (typeof type !== 'string' || !Object.hasOwn(variants, type)) {
    const shown = JSON.stringify(type ?? given)?.slice(0, 80)
    return { mistakes: [`no scorer ${shown}; there are: ${scorerTypes.join(', ')}`] }
  }
  const parsed = variants[type as ScorerType].safeParse(named)
  if (!parsed.success) return { mistakes: parsed.error.issues.map((issue) => `${type}: ${issueText(issue)}`) }
  const lacking = lackingIn(parsed.data, facts)
  return lacking === null ? parsed.data : { mistakes: [`${type}: ${lacking}`] }
}

function lackingIn(spec: AnyScorerSpec, { expected, hasOutputSchema }: CaseFacts): string | null {
  if (comparing.includes(spec.type) && expected === undefined) return 'it needs an expected value'
  if (spec.type === 'contains' && spec.value === undefined && typeof expected !== 'string')
    return 'it needs a value, or an expected text'
  if (spec.type === 'number' && !Number.isFinite(numberIn(expected)))
    return `expected must be a number, not ${JSON.stringify(expected)?.slice(0, 80)}`
  if (spec.type === 'schema' && spec.schema === undefined && !hasOutputSchema)
    return 'it needs a schema, or an outputSchema of the case'
  if (spec.type === 'tools' && !spec.called && !spec.never && !spec.order)
    return 'say which tools are called, never called, or called in which order'
  return null
}

/** CSV has numbers as text. */
export const numberIn = (value: Json | undefined): number =>
  typeof value === 'string' && value.trim() !== '' ? Number(value) : typeof value === 'number' ? value : NaN

function issueText(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `it takes no ${issue.keys.join(', ')}`
  return `${issue.path.map(String).join('.')}: ${issue.message}`
}

/** The score from which on a scorer passes, unless it says so. */
export const defaultPass = (type: ScorerType): number => (type === 'judge' || type === 'function' ? 0.5 : 1)
