// Bounds of a JSON Schema from outside, checked before anything compiles it: a schema is a program, and even
// a small one can take unlimited time and memory.
//
// 1. Bounded: bytes, depth, values, references, choices, patterns, and how much the references multiply
//    (`EXPANSION`).
// 2. It refers to itself only: `$ref` and `$dynamicRef` begin with #, and lead to a schema. They lead back to
//    where they began only by way of a part of the value: checking would never end.
// 3. It is one schema: no `$id` below its root, so that every # is the root, and no `$async`.
// 4. Patterns are measured here, and parsed when the schema is compiled (patterns.ts).
import {
  dataKeywords,
  dialectOf,
  DIALECTS_SUPPORTED,
  isSchemaObject,
  schemaMaps,
} from '../config/json-schema/dialects.ts'
import { isDeeperThan } from '../json/depth.ts'
import { patternSize } from './pattern-size.ts'
import type { Json } from '../../schemas/json.ts'

const DEPTH = 64
const VALUES = 5_000
const REFERENCES = 200
const CHOICES = 1_000
const PATTERN_CHARS = 1_000
/** Largest sum for all patterns, their repetitions written out: RE2 takes 30 µs and some KB for each before it has met a text. */
const PATTERN_SIZE = 20_000
/** Schemas visited if every reference is replaced by its target; one that refers to itself counts once. */
const EXPANSION = 20_000
/** Schemas on the way from the root to the deepest one, references followed. */
const CHAIN = 500

type Fields = { readonly [name: string]: Json }

const references = ['$ref', '$dynamicRef'] as const

/** A message with its place for each bound that the schema exceeds; empty if it may be compiled. */
export function schemaMistakes(schema: Json, maxBytes: number): string[] {
  if (!isSchemaObject(schema)) return ['it must be a JSON Schema object']
  // The depth first: measuring bytes recurses.
  if (isDeeperThan(schema, DEPTH)) return [`it is nested more than ${DEPTH} deep`]
  const bytes = Buffer.byteLength(JSON.stringify(schema))
  if (bytes > maxBytes)
    return [`it has ${bytes} bytes, at most ${maxBytes} are allowed (limits.input.schemaBytes)`]
  const values = countValues(schema)
  if (values > VALUES) return [`it has ${values} values, at most ${VALUES} are allowed`]
  const walk = new Walk(schema)
  if (walk.mistakes.length > 0) return walk.mistakes.slice(0, 8)
  const endless = walk.endlessMistakes()
  return endless.length > 0 ? endless : walk.expansionMistakes()
}

function countValues(value: Json): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce((sum: number, child) => sum + countValues(child), 1)
}

/** A schema that was found, with its direct subschemas and references. */
interface Found {
  readonly at: string
  readonly schema: Fields
  readonly below: Found[]
  /** Those of `below` that are applied to the same value. */
  readonly same: Found[]
  readonly refs: string[]
}

/** Keywords whose schemas apply to the value itself, not to a part of it. */
const inPlace: ReadonlySet<string> = new Set([
  ...['allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else', 'dependentSchemas', 'dependencies'],
])

class Walk {
  readonly mistakes: string[] = []
  readonly #root: Found
  readonly #byPlace = new Map<string, Found>()
  #references = 0
  #patternSize = 0

  constructor(root: Fields) {
    if (dialectOf(root) === null) this.mistakes.push(`$schema must be ${DIALECTS_SUPPORTED}`)
    this.#root = this.#visit(root, '#')
    if (this.#references > REFERENCES)
      this.mistakes.push(`it has ${this.#references} references, at most ${REFERENCES} are allowed`)
    if (this.#patternSize > PATTERN_SIZE)
      this.mistakes.push(
        `its patterns have ${this.#patternSize} parts with their repetitions written out, at most ${PATTERN_SIZE} ` +
          'are allowed; bound texts by maxLength',
      )
    for (const { at, refs } of this.#byPlace.values())
      for (const ref of refs)
        if (!this.#byPlace.has(ref))
          this.mistakes.push(`${at} refers to ${ref.slice(0, 100)}, where no schema stands`)
  }

  #visit(schema: Fields, at: string): Found {
    const refs = this.#refsOf(schema, at)
    this.#check(schema, at)
    const found: Found = { at, schema, below: [], same: [], refs }
    this.#byPlace.set(at, found)
    for (const name of ['$anchor', '$dynamicAnchor'])
      if (typeof schema[name] === 'string') this.#byPlace.set(`#${schema[name]}`, found)
    for (const [name, value] of Object.entries(schema)) {
      if (dataKeywords.has(name)) continue
      const below = this.#below(name, value, `${at}/${escaped(name)}`)
      found.below.push(...below)
      if (inPlace.has(name)) found.same.push(...below)
    }
    return found
  }

  /** Schemas under one keyword. Unknown keywords may hold some: a reference can make them one. */
  #below(name: string, value: Json, at: string): Found[] {
    if (Array.isArray(value))
      return value.flatMap((item, index) =>
        isSchemaObject(item) ? [this.#visit(item, `${at}/${index}`)] : [],
      )
    if (!isSchemaObject(value)) return []
    if (!schemaMaps.has(name)) return [this.#visit(value, at)]
    return Object.entries(value).flatMap(([key, each]) => {
      const place = `${at}/${escaped(key)}`
      if (name === 'patternProperties') this.#checkPattern(key, place)
      if (typeof each === 'boolean')
        this.#byPlace.set(place, { at: place, schema: {}, below: [], same: [], refs: [] })
      return isSchemaObject(each) ? [this.#visit(each, place)] : []
    })
  }

  #refsOf(schema: Fields, at: string): string[] {
    return references.flatMap((name) => {
      const ref = schema[name]
      if (ref === undefined) return []
      this.#references += 1
      if (typeof ref === 'string' && ref.startsWith('#')) return [decoded(ref)]
      this.mistakes.push(`${at}/${name} must begin with #: only references within the schema are followed`)
      return []
    })
  }

  #check(schema: Fields, at: string): void {
    if ('$async' in schema) this.mistakes.push(`${at}/$async is not allowed`)
    if ('$recursiveRef' in schema)
      this.mistakes.push(`${at}/$recursiveRef is not allowed; use $ref or $dynamicRef`)
    if (at !== '#' && '$id' in schema) this.mistakes.push(`${at}/$id is not allowed below the root`)
    if (typeof schema['pattern'] === 'string') this.#checkPattern(schema['pattern'], `${at}/pattern`)
    const { enum: choices } = schema
    if (Array.isArray(choices) && choices.length > CHOICES)
      this.mistakes.push(`${at}/enum has ${choices.length} values, at most ${CHOICES} are allowed`)
  }

  #checkPattern(pattern: string, at: string): void {
    if (pattern.length <= PATTERN_CHARS) this.#patternSize += patternSize(pattern)
    else
      this.mistakes.push(
        `${at} has ${pattern.length} characters, at most ${PATTERN_CHARS} are allowed in a pattern`,
      )
  }

  /** A circle of schemas that are applied to one value. Call only if there are no other mistakes. */
  endlessMistakes(): string[] {
    const done = new Set<Found>()
    const open = new Set<Found>()
    const isEndless = (found: Found): boolean => {
      if (open.has(found)) return true
      if (done.has(found)) return false
      open.add(found)
      const next = [...found.same, ...found.refs.flatMap((ref) => this.#byPlace.get(ref) ?? [])]
      const isFound = open.size <= CHAIN && next.some(isEndless)
      open.delete(found)
      done.add(found)
      return isFound
    }
    const start = [...this.#byPlace.values()].find(isEndless)
    return start ? [`${start.at} refers back to itself for the same value, so checking would never end`] : []
  }

  /** Call only if there are no other mistakes. */
  expansionMistakes(): string[] {
    const sizes = new Map<Found, number>()
    const open = new Set<Found>()
    let isChained = false
    const size = (found: Found): number => {
      const known = open.has(found) ? 1 : sizes.get(found)
      if (known !== undefined) return known
      isChained ||= open.size >= CHAIN
      if (isChained) return 1
      open.add(found)
      const parts = [...found.below, ...found.refs.flatMap((ref) => this.#byPlace.get(ref) ?? [])]
      let sum = 1
      for (const part of parts) sum = Math.min(EXPANSION + 1, sum + size(part))
      open.delete(found)
      sizes.set(found, sum)
      return sum
    }
    const isLarge = size(this.#root) > EXPANSION
    if (isChained) return [`its references lead through more than ${CHAIN} schemas, one behind another`]
    if (!isLarge) return []
    return [
      `its references multiply it to more than ${EXPANSION} schemas; refer to large definitions less often`,
    ]
  }
}

const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** A fragment may be percent-encoded. */
function decoded(ref: string): string {
  try {
    return decodeURIComponent(ref)
  } catch {
    return ref
  }
}
