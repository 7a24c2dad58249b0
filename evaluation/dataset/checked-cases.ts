// Cases out of the entries of a data set: checked, with defaults, each with an id and a hash.
import { hash } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { messageOf } from '../../runtime/errors.ts'
import { schemaMistakes } from '../../runtime/foreign-schema/bounds.ts'
import type { JsonSchema } from '../../runtime/config/fleet.ts'
import type { SchemaChecks } from '../../runtime/foreign-schema/checks.ts'
import { hasPrototypeName } from '../../runtime/json/names.ts'
import { isDeeperThan, MAX_JSON_DEPTH } from '../../runtime/json/depth.ts'
import { linearPatterns } from '../../runtime/foreign-schema/patterns.ts'
import { recordingMistakes, type RecordedCall } from '../../runtime/task/recording.ts'
import { historyMistakes } from '../../schemas/history.ts'
import type { Json } from '../../schemas/json.ts'
import { taskFieldsOfCases, type Case, type Scorer } from '../cases.ts'
import { defaultPass, readSpec, type AnyScorerSpec } from '../scorers/specs.ts'
import { patternOf } from '../scorers/text.ts'
import type { UserCode } from '../user-code/user-code.ts'
import { UserFunction } from '../user-code/user-function.ts'
import { knownFields, MAX_CASES, nearlyKnown, type Entry } from './entries.ts'
import type { Mistakes } from './mistakes.ts'

const MAX_INPUT_CHARS = 100_000
const MAX_SCHEMA_BYTES = 100_000
const MAX_METADATA_CHARS = 100_000
const MAX_PATTERNS_MS = 5_000
/** As many as a stored case may have. */
const MAX_SCORERS = 100
/** As long as the id of a task, from which `flotilla eval promote` makes it. */
const ID = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,128}$/u

/** Specs, or functions in a module. */
export type DefaultScorers = readonly unknown[]

interface Reading {
  /** Time that patterns have taken to compile. */
  readonly patterns: { ms: number; isReported: boolean }
  readonly path: string
  readonly scorers: DefaultScorers
  readonly mistakes: Mistakes
  readonly schemas: SchemaChecks
  readonly code: UserCode
}

export async function casesOf(entries: readonly Entry[], given: Omit<Reading, 'patterns'>): Promise<Case[]> {
  const reading = { ...given, patterns: { ms: 0, isReported: false } }
  const { mistakes } = reading
  if (entries.length > MAX_CASES) {
    mistakes.add('cases', `there are more than ${MAX_CASES}, the most that a data set has: split it`)
    return []
  }
  const cases: Case[] = []
  const places = new Map<string, string>()
  const copies = new Map<string, number>()
  for (const entry of entries) {
    const found = await caseOf(entry, reading)
    if (found === null) continue
    const id = found.id === '' ? freeId(found, places, copies) : found.id
    const before = places.get(id)
    if (before !== undefined) mistakes.add(entry.place, `the id ${JSON.stringify(id)} is that of ${before}`)
    places.set(id, entry.place)
    cases.push({ ...found, id })
  }
  return cases
}

/** By the content, so that a case keeps its id when others are added before it. `copies`: numbers that are taken. */
function freeId(
  { hash: content }: Case,
  taken: ReadonlyMap<string, string>,
  copies: Map<string, number>,
): string {
  const id = `c-${content.slice(0, 10)}`
  for (let copy = copies.get(id) ?? 1; ; copy += 1) {
    const free = copy === 1 ? id : `${id}-${copy}`
    if (taken.has(free)) continue
    copies.set(id, copy + 1)
    return free
  }
}

async function caseOf({ place, fields }: Entry, reading: Reading): Promise<Case | null> {
  const deep = Object.keys(fields).filter((name) => isDeeperThan(fields[name], MAX_JSON_DEPTH))
  for (const name of deep)
    reading.mistakes.add(place, `${name.slice(0, 80)} is nested deeper than ${MAX_JSON_DEPTH} levels`)
  // Nothing may walk it.
  if (deep.length > 0) return null
  for (const name of Object.keys(fields))
    if (hasPrototypeName(fields[name] as Json))
      reading.mistakes.add(place, `${name.slice(0, 80)} has a property "__proto__": give it another name`)
  for (const name of Object.keys(fields))
    if (hasHalfPair(fields[name]))
      reading.mistakes.add(
        place,
        `${name.slice(0, 80)} has half of a surrogate pair, such as \\ud83d: no text in UTF-8 can hold it, so no answer could either`,
      )
  const wrong = [...fieldMistakes(fields), ...valueMistakes(fields)]
  for (const mistake of wrong) reading.mistakes.add(place, mistake)
  const { id = '', input, expected, outputSchema, outcomes, metadata = {} } = fields
  if (outputSchema !== undefined) await addSchemaMistakes('outputSchema', outputSchema, place, reading)
  const facts = {
    ...(expected === undefined ? {} : { expected: expected as Json }),
    hasOutputSchema: outputSchema !== undefined,
  }
  const given = scorersOf(fields, reading.scorers)
  if (given.length === 0)
    reading.mistakes.add(place, 'it has no expected value and no scorers: nothing to score')
  if (given.length > MAX_SCORERS)
    reading.mistakes.add(place, `it has ${given.length} scorers, at most ${MAX_SCORERS} are allowed`)
  const scorers = await checkedScorers(given.slice(0, MAX_SCORERS), facts, place, reading)
  if (wrong.length > 0) return null
  const task = Object.fromEntries(
    taskFieldsOfCases.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])),
  ) as Case['task']
  const rest = {
    input: input as string,
    ...(expected === undefined ? {} : { expected: expected as Json }),
    scorers,
    task,
    ...(outcomes === undefined ? {} : { outcomes: outcomes as RecordedCall[] }),
  }
  return { ...rest, id: String(id), metadata: metadata as Case['metadata'], hash: hashOf(rest) }
}

function hashOf(content: Omit<Case, 'id' | 'metadata' | 'hash'>): string {
  return hash('sha256', JSON.stringify(content)).slice(0, 16)
}

function hasHalfPair(value: unknown): boolean {
  let found = false
  JSON.stringify(value, (name, inner: unknown) => {
    found ||= !name.isWellFormed() || (typeof inner === 'string' && !inner.isWellFormed())
    return inner
  })
  return found
}

function fieldMistakes(fields: Entry['fields']): string[] {
  return Object.keys(fields).flatMap((name) => {
    if (knownFields.some((field) => field === name)) return []
    const meant = nearlyKnown(name)
    const remedy = meant === null ? 'labels of your own go under metadata' : `did you mean ${meant}?`
    return [`no field ${JSON.stringify(name.slice(0, 80))}; a case has ${knownFields.join(', ')}; ${remedy}`]
  })
}

function valueMistakes({ id, input, agent, mode, history, outcomes, metadata }: Entry['fields']): string[] {
  const mistakes = outcomes === undefined ? [] : recordingMistakes({ outcomes })
  if (typeof input !== 'string' || input.trim() === '')
    mistakes.push('input is missing: it is the text of the task')
  else if (input.length > MAX_INPUT_CHARS)
    mistakes.push(`input has ${input.length} characters, at most ${MAX_INPUT_CHARS} are allowed`)
  if (id !== undefined && (!['string', 'number'].includes(typeof id) || !ID.test(String(id))))
    mistakes.push('id must be a text of 1 to 128 characters, on one line')
  if (agent !== undefined && (typeof agent !== 'string' || agent === ''))
    mistakes.push('agent must be the name of an agent')
  if (mode !== undefined && mode !== 'code' && mode !== 'tools') mistakes.push('mode must be code or tools')
  if (metadata !== undefined && !isObject(metadata)) mistakes.push('metadata must be an object')
  const labels = metadata === undefined ? 0 : JSON.stringify(metadata).length
  if (labels > MAX_METADATA_CHARS)
    mistakes.push(
      `metadata has ${labels} characters as JSON, at most ${MAX_METADATA_CHARS} are allowed: it is kept with every score`,
    )
  if (history !== undefined)
    mistakes.push(
      ...(Array.isArray(history) ? historyMistakes(history as Json) : ['history must be a list of messages']),
    )
  return mistakes
}

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Those of the case, else those of the data set, else what fits the kind of the expected value. */
function scorersOf({ scorers, expected }: Entry['fields'], defaults: DefaultScorers): readonly unknown[] {
  if (scorers !== undefined) return [scorers].flat()
  if (defaults.length > 0) return defaults
  if (expected === undefined) return []
  if (typeof expected === 'number') return ['number']
  return [typeof expected === 'string' ? 'normalised' : 'json']
}

type Facts = Parameters<typeof readSpec>[1]

async function checkedScorers(
  given: readonly unknown[],
  facts: Facts,
  place: string,
  reading: Reading,
): Promise<Scorer[]> {
  const scorers: Scorer[] = []
  for (const each of given) {
    if (each instanceof UserFunction) {
      scorers.push(named({ name: each.name, rule: { type: 'function', score: each } }, scorers))
      continue
    }
    const spec = readSpec(each, facts)
    if ('mistakes' in spec)
      for (const mistake of spec.mistakes) reading.mistakes.add(place, `scorers: ${mistake}`)
    else {
      const rule = await ruleOf(spec, place, reading)
      if (rule !== null) scorers.push(named({ ...spec, name: spec.name ?? spec.type, rule }, scorers))
    }
  }
  return scorers
}

interface Named {
  readonly name: string
  readonly weight?: number | undefined
  readonly pass?: number | undefined
  readonly rule: Scorer['rule']
}

/** Two of a name are told apart by a number. */
function named({ name, weight = 1, pass, rule }: Named, before: readonly Scorer[]): Scorer {
  const same = before.filter((other) => other.name === name || other.name.startsWith(`${name}#`)).length
  return {
    name: same === 0 ? name : `${name}#${same + 1}`,
    weight,
    pass: pass ?? defaultPass(rule.type),
    rule,
  }
}

/** Null if the scorer can't be used; why is among the mistakes. */
async function ruleOf(spec: AnyScorerSpec, place: string, reading: Reading): Promise<Scorer['rule'] | null> {
  if (spec.type === 'function') return functionOf(spec, place, reading)
  if (spec.type === 'schema' && spec.schema !== undefined)
    await addSchemaMistakes('scorers: schema', spec.schema, place, reading)
  if (spec.type === 'regex') checkPattern(patternOf(spec), place, reading)
  return spec
}

/** Matching is linear, but a pattern may take a while to compile, and a data set may have a million. */
function checkPattern(pattern: string, place: string, { mistakes, patterns }: Reading): void {
  if (patterns.ms > MAX_PATTERNS_MS) {
    if (!patterns.isReported)
      mistakes.add(
        place,
        `scorers: the patterns so far took ${MAX_PATTERNS_MS / 1_000} s to compile: use fewer, or simpler ones`,
      )
    patterns.isReported = true
    return
  }
  const startedAtMs = performance.now()
  try {
    linearPatterns(pattern)
  } catch (error) {
    mistakes.add(place, `scorers: ${messageOf(error)}`)
  }
  patterns.ms += performance.now() - startedAtMs
}

async function functionOf(
  spec: Extract<AnyScorerSpec, { type: 'function' }>,
  place: string,
  { path, mistakes, code }: Reading,
): Promise<Scorer['rule'] | null> {
  const { module: file, export: name = 'default' } = spec
  try {
    const url = pathToFileURL(resolve(dirname(path), file)).href
    return { type: 'function', score: new UserFunction(await code.function(url, name), code) }
  } catch (error) {
    mistakes.add(place, `scorers: function: ${file} ${messageOf(error)}`)
    return null
  }
}

async function addSchemaMistakes(
  name: string,
  schema: unknown,
  place: string,
  reading: Reading,
): Promise<void> {
  if (!isObject(schema)) return reading.mistakes.add(place, `${name} must be a JSON Schema object`)
  const found = schemaMistakes(schema as Json, MAX_SCHEMA_BYTES)
  for (const mistake of found) reading.mistakes.add(place, `${name}: ${mistake}`)
  if (found.length > 0) return
  const refusal = await reading.schemas.refusal({ schema: schema as JsonSchema, key: 'data set' })
  if (refusal !== null) reading.mistakes.add(place, `${name}: ${refusal}`)
}
