// Functions that users import into flotilla.config.ts.
import { z, type ZodType } from 'zod'
import type { Json } from '../../schemas/json.ts'
import { FlotillaError, messageOf } from '../errors.ts'
import { inexactTextsHint } from '../json/exact.ts'
import type { FleetDefinition, JsonSchema, Tool, ToolDefinition, ToolSpec } from './fleet.ts'
import { completeTerms, defaultTerms, termsMistakes, type ApprovalDefinition } from './approvals.ts'
import { coerce, compileArguments } from './json-schema/coercion.ts'
import { shownPath, thrownPlace } from './project/source-place.ts'
import { compileJsonSchema, type Checked } from './json-schema/compile.ts'

/** Gives flotilla.config.ts its types. Loading checks it, adds defaults and reports every mistake. */
export function defineFleet(definition: FleetDefinition): FleetDefinition {
  return definition
}

const DEFAULT_TOOL_TIMEOUT_MS = 30_000
const DEFAULT_MAX_OUTPUT_BYTES = 1_000_000
/** R9: at most three retries. */
const MAX_TOOL_RETRIES = 3
const DEFAULT_RETRIES = 2

/** Longest name that model providers take. */
const MAX_NAME_CHARS = 64
const pythonKeywords = new Set(
  (
    'False None True and as assert async await break class continue def del elif else except finally for from ' +
    'global if import in is lambda nonlocal not or pass raise return try while with yield'
  ).split(' '),
)
/** Names that the sandbox defines. */
const reservedNames = new Set(['final_answer', 'print'])

/**
 * A checked tool. Throws CONFIG_INVALID, naming the tool and every mistake in it. Its `run` rejects with
 * TOOL_ARGUMENTS_INVALID when the arguments do not fit `input`; a zod schema's defaults and transforms are
 * applied.
 */
export function defineTool<I, O>(definition: ToolDefinition<I, O>): Tool {
  const mistakes = [
    ...nameMistakes(definition.name),
    ...numberMistakes(definition),
    ...peopleMistakes(definition),
  ]
  const input = attempt(mistakes, 'input', () => argumentSchema(definition.input))
  const output = attempt(mistakes, 'output', () => outputSchema(definition.output))
  const check = attempt(mistakes, 'input', () => argumentCheck<I>(definition.input))
  if (mistakes.length > 0 || !input || output === undefined || !check)
    return mistakenTool(
      definition,
      new FlotillaError('CONFIG_INVALID', `tool ${quoted(definition.name)}: ${mistakes.join('; ')}`),
    )
  const { name, reconcile } = definition
  const rule = termsOf(definition.requiresApproval)?.when
  return {
    spec: { ...plainSpec(definition), input, output },
    run: async (value, context) => definition.run(await check(value, name), context),
    ...(rule && { needsApproval: async (value) => rule(await check(value, name)) }),
    ...(reconcile && {
      reconcile: async (value, context) => reconcile.call(definition, await check(value, name), context),
    }),
  }
}

const termsOf = <I>(given: boolean | ApprovalDefinition<I> | undefined): ApprovalDefinition<I> | null =>
  typeof given === 'object' ? given : null

/** Mistakes of tools that were defined while a configuration was loaded. */
const mistaken = new WeakMap<Tool, string>()
let loading: string[] | null = null

/**
 * Imports a configuration: a tool with mistakes does not end it, so that the other mistakes are found too.
 * Resolves with those of all tools.
 */
export async function collectToolMistakes<T>(work: () => Promise<T>): Promise<[T, string[]]> {
  const found: string[] = []
  loading = found
  try {
    return [await work(), found]
  } finally {
    loading = null
  }
}

/** The mistakes of a tool that could not be made; null for every other. */
export const toolMistake = (tool: Tool): string | null => mistaken.get(tool) ?? null

function mistakenTool({ name }: PlainDefinition, error: FlotillaError): Tool {
  if (loading === null) throw error
  const place = thrownPlace(error)
  const at = place === null ? '' : `${shownPath(place.path)}:${place.line}:${place.column}  `
  const spec = plainSpec({ name: String(name), description: '', run: null })
  const tool = {
    spec: { ...spec, input: { type: 'object' }, output: null },
    run: () => Promise.reject(error),
  }
  mistaken.set(tool, `${at}${error.message}`)
  loading.push(`${at}${error.message}`)
  return tool
}

/** A definition without the parts that carry its types. */
type PlainDefinition = Omit<ToolDefinition, 'input' | 'output' | 'run' | 'requiresApproval' | 'reconcile'> & {
  run: unknown
  requiresApproval?: unknown
  reconcile?: unknown
}

function plainSpec(definition: PlainDefinition): Omit<ToolSpec, 'input' | 'output'> {
  const idempotent = definition.idempotent ?? false
  return {
    name: definition.name,
    description: definition.description.replaceAll(/\s+/g, ' ').trim(),
    timeoutMs: definition.timeoutMs ?? DEFAULT_TOOL_TIMEOUT_MS,
    cacheTtlMs: definition.cacheTtlMs ?? 0,
    idempotent,
    ...peopleSpec(definition),
    retries: definition.retries ?? (idempotent ? DEFAULT_RETRIES : 0),
    ...(definition.cacheScope === 'shared' && { cacheScope: 'shared' }),
    ...(definition.reads !== undefined && { reads: [definition.reads].flat() }),
    ...(definition.sends === true && { sends: true }),
    maxOutputBytes: definition.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES,
  }
}

function peopleSpec({ requiresApproval = false, reconcile, inDoubt }: PlainDefinition) {
  const terms = termsOf(requiresApproval as boolean | ApprovalDefinition)
  const rule = terms?.when ? ('when' as const) : ('always' as const)
  const approval = terms ? { ...completeTerms(terms), rule } : { ...defaultTerms, rule }
  return {
    requiresApproval: requiresApproval !== false,
    ...(requiresApproval !== false && { approval }),
    ...(inDoubt === 'hold' && { inDoubt }),
    ...(reconcile !== undefined && { reconciles: true as const }),
  }
}

function peopleMistakes({ requiresApproval, reconcile, inDoubt, idempotent }: PlainDefinition): string[] {
  const isPlain = requiresApproval === undefined || typeof requiresApproval === 'boolean'
  const mistakes = isPlain ? [] : termsMistakes(requiresApproval, 'requiresApproval')
  if (reconcile !== undefined && typeof reconcile !== 'function')
    mistakes.push('reconcile must be a function')
  if (!['tell', 'hold'].includes(inDoubt ?? 'tell')) mistakes.push("inDoubt must be 'tell' or 'hold'")
  if (idempotent === true && (reconcile !== undefined || inDoubt !== undefined))
    mistakes.push(
      'reconcile and inDoubt are for tools that are not idempotent: one that is may simply be called again',
    )
  return mistakes
}

function nameMistakes(name: unknown): string[] {
  if (typeof name !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || name.length > MAX_NAME_CHARS) {
    return [
      `name must be a Python identifier of at most ${MAX_NAME_CHARS} characters (letters, digits, _), so that code can call it`,
    ]
  }
  if (pythonKeywords.has(name)) return ['name is a keyword of Python; choose another']
  if (reservedNames.has(name)) return ['name is taken by the sandbox; choose another']
  return []
}

function numberMistakes(definition: PlainDefinition): string[] {
  const { description, timeoutMs = 1, cacheTtlMs = 0, retries = 0, maxOutputBytes = 1 } = definition
  const whole = (value: number, least: number, most = Number.MAX_SAFE_INTEGER) =>
    Number.isSafeInteger(value) && value >= least && value <= most
  const checks: [boolean, string][] = [
    [typeof description === 'string' && description.trim() !== '', 'description must say what the tool does'],
    [typeof definition.run === 'function', 'run must be a function'],
    [whole(timeoutMs, 1), 'timeoutMs must be a whole number of milliseconds, at least 1'],
    [whole(cacheTtlMs, 0), 'cacheTtlMs must be a whole number of milliseconds, 0 for no cache'],
    [whole(retries, 0, MAX_TOOL_RETRIES), `retries must be a whole number from 0 to ${MAX_TOOL_RETRIES}`],
    [whole(maxOutputBytes, 1), 'maxOutputBytes must be a whole number, at least 1'],
    [['user', 'shared'].includes(definition.cacheScope ?? 'user'), "cacheScope must be 'user' or 'shared'"],
    [
      [definition.reads ?? []].flat().every((kind) => ['private', 'untrusted'].includes(kind)),
      "reads must be 'private', 'untrusted' or a list of them",
    ],
    [typeof (definition.sends ?? false) === 'boolean', 'sends must be true or false'],
    [
      retries === 0 || definition.idempotent === true,
      'retries needs idempotent: true, because a tool that is not is never run twice',
    ],
  ]
  return checks.filter(([ok]) => !ok).map(([, mistake]) => mistake)
}

const isZod = <T>(schema: ZodType<T> | JsonSchema): schema is ZodType<T> => '_zod' in schema

function argumentSchema(schema: ZodType | JsonSchema): JsonSchema {
  const json = toJsonSchema(schema, 'input')
  if (json['type'] !== 'object')
    throw new Error('must describe an object, whose properties are the arguments')
  return json
}

function outputSchema(schema: ZodType | JsonSchema | undefined): JsonSchema | null {
  if (schema === undefined) return null
  const json = toJsonSchema(schema, 'output')
  compileJsonSchema(json, { isValidSchema: isZod(schema) })
  return json
}

function toJsonSchema(schema: ZodType | JsonSchema, io: 'input' | 'output'): JsonSchema {
  if (typeof schema !== 'object' || schema === null) throw new Error('must be a zod schema or a JSON Schema')
  if (!isZod(schema)) return schema
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io }) as JsonSchema
  return json
}

type ArgumentCheck<I> = (value: Json, tool: string) => Promise<I>

function argumentCheck<I>(schema: ZodType<I> | JsonSchema): ArgumentCheck<I> {
  if (isZod(schema)) {
    const json = argumentSchema(schema)
    return (value, tool) => zodArguments(schema, json, value, tool)
  }
  const check = compileArguments(schema)
  return async (value, tool) => schemaArguments(check(value), value, tool) as I
}

async function zodArguments<I>(schema: ZodType<I>, json: JsonSchema, value: Json, tool: string): Promise<I> {
  const asWritten = await schema.safeParseAsync(value)
  if (asWritten.success) return asWritten.data
  const parsed = await schema.safeParseAsync(coerce(value, json).value)
  if (parsed.success) return parsed.data
  throw invalidArguments(
    tool,
    value,
    parsed.error.issues.map((issue) => `${issue.path.map(String).join('.') || 'value'}: ${issue.message}`),
  )
}

function schemaArguments(checked: Checked, value: Json, tool: string): Json {
  if (checked.problems.length > 0) throw invalidArguments(tool, value, checked.problems)
  return checked.value
}

function invalidArguments(tool: string, value: Json, problems: readonly string[]): FlotillaError {
  const said = problems.join('; ')
  const hint = /\b(number|integer|int)\b/i.test(said) ? inexactTextsHint(value) : ''
  return new FlotillaError('TOOL_ARGUMENTS_INVALID', `arguments of ${tool}: ${said}${hint}`)
}

function attempt<T>(mistakes: string[], field: string, make: () => T): T | undefined {
  try {
    return make()
  } catch (error) {
    const mistake = `${field} ${messageOf(error)}`
    if (!mistakes.includes(mistake)) mistakes.push(mistake)
    return undefined
  }
}

const quoted = (name: unknown) => (typeof name === 'string' ? `'${name}'` : '(without a name)')
