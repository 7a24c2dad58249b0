// `unevaluatedProperties` and `unevaluatedItems`. ajv's own forget what patterns, `contains` and branches
// have evaluated, so values pass, or fail, that should not. Here every branch is evaluated separately.
//
// 1. The schema is one resource: references begin with #, and there is no `$id` below its root
//    (rewrite.ts).
// 2. The value is assumed to fit the rest of the schema: if it does not, it is refused anyway.
import type { Json } from '../../../schemas/json.ts'
import { isSchemaObject, type Dialect, type SchemaObject } from './dialects.ts'

export interface Resource {
  readonly root: SchemaObject
  readonly dialect: Dialect
  /** Whether a value fits the schema object at a place of the root: `/properties/a`. */
  fits(place: string, value: Json): boolean
  matches(pattern: string, name: string): boolean
}

export const UNEVALUATED = ['unevaluatedProperties', 'unevaluatedItems'] as const
export type Unevaluated = (typeof UNEVALUATED)[number]

/** Names or indices that nothing has evaluated, and that do not fit the keyword at `place`. */
export function unevaluatedParts(
  resource: Resource,
  place: string,
  keyword: Unevaluated,
  value: Json,
): string[] {
  const evaluation = new Evaluation(resource, keyword, value)
  evaluation.collect(place, keyword)
  return Object.entries(value as object)
    .filter(([part]) => !evaluation.has(part))
    .filter(([, each]) => !evaluation.fits(`${place}/${keyword}`, each as Json))
    .map(([part]) => part)
}

/** The place of each schema that has one of the keywords. */
export function unevaluatedPlaces(root: SchemaObject): Map<object, string> {
  const places = new Map<object, string>()
  const visit = (value: Json, place: string): void => {
    if (typeof value !== 'object' || value === null) return
    if (UNEVALUATED.some((name) => name in value)) places.set(value, place)
    for (const [name, each] of Object.entries(value)) visit(each as Json, `${place}/${escaped(name)}`)
  }
  visit(root, '')
  return places
}

class Evaluation {
  readonly #resource: Resource
  readonly #keyword: Unevaluated
  readonly #value: Json
  readonly #parts = new Set<string>()
  readonly #visited = new Set<string>()
  #all = false

  constructor(resource: Resource, keyword: Unevaluated, value: Json) {
    this.#resource = resource
    this.#keyword = keyword
    this.#value = value
  }

  has(part: string): boolean {
    return this.#all || this.#parts.has(part)
  }

  /** Collects what the schema there evaluates; `except` is the keyword that asks. */
  collect(place: string, except?: string): void {
    if (this.#all || this.#visited.has(place)) return
    this.#visited.add(place)
    const schema = schemaAt(this.#resource.root, place)
    if (schema === null) return
    if (this.#keyword in schema && this.#keyword !== except) this.#all = true
    else if (this.#keyword === 'unevaluatedProperties') this.#collectProperties(schema)
    else this.#collectItems(schema, place)
    this.#collectInPlace(schema, place)
  }

  #collectProperties(schema: SchemaObject): void {
    if ('additionalProperties' in schema) this.#all = true
    const { properties, patternProperties } = schema
    const patterns = isSchemaObject(patternProperties) ? Object.keys(patternProperties) : []
    for (const name of Object.keys(this.#value as object)) {
      const isNamed = isSchemaObject(properties) && Object.hasOwn(properties, name)
      if (isNamed || patterns.some((pattern) => this.#resource.matches(pattern, name))) this.#parts.add(name)
    }
  }

  #collectItems(schema: SchemaObject, place: string): void {
    const { dialect } = this.#resource
    const { items, prefixItems, contains } = schema
    const first = dialect === '2020-12' ? prefixItems : items
    if (Array.isArray(first)) for (const index of first.keys()) this.#parts.add(String(index))
    const rest = dialect === '2020-12' || !Array.isArray(items) ? 'items' : 'additionalItems'
    if (rest in schema) this.#all = true
    if (contains === undefined || dialect !== '2020-12') return
    for (const [index, item] of (this.#value as Json[]).entries())
      if (this.fits(`${place}/contains`, item)) this.#parts.add(String(index))
  }

  #collectInPlace(schema: SchemaObject, place: string): void {
    const { $ref, allOf, dependentSchemas } = schema
    if (typeof $ref === 'string') this.collect(placeOf(this.#resource.root, $ref))
    for (const index of listed(allOf)) this.collect(`${place}/allOf/${index}`)
    for (const name of ['anyOf', 'oneOf'])
      for (const index of listed(schema[name])) this.#collectIfFit(`${place}/${name}/${index}`)
    if ('if' in schema) this.collect(`${place}/${this.#collectIfFit(`${place}/if`) ? 'then' : 'else'}`)
    if (isSchemaObject(dependentSchemas))
      for (const name of Object.keys(dependentSchemas))
        if (Object.hasOwn(this.#value as object, name))
          this.collect(`${place}/dependentSchemas/${escaped(name)}`)
  }

  #collectIfFit(place: string): boolean {
    const isFit = this.fits(place, this.#value)
    if (isFit) this.collect(place)
    return isFit
  }

  fits(place: string, value: Json): boolean {
    const schema = valueAt(this.#resource.root, place)
    return typeof schema === 'boolean' ? schema : this.#resource.fits(place, value)
  }
}

const listed = (schemas: Json | undefined): number[] => (Array.isArray(schemas) ? [...schemas.keys()] : [])
const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

function valueAt(root: Json, place: string): Json | undefined {
  return place
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<Json | undefined>(
      (value, part) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, part)
          ? (value as { readonly [name: string]: Json })[part]
          : undefined,
      root,
    )
}

/** Null for a schema that treats every part alike: true, false, or absent. */
function schemaAt(root: SchemaObject, place: string): SchemaObject | null {
  const schema = valueAt(root, place)
  return isSchemaObject(schema) ? schema : null
}

/** The place to which a reference within the root leads. */
function placeOf(root: SchemaObject, ref: string): string {
  const fragment = decodeURIComponent(ref.slice(1))
  return fragment === '' || fragment.startsWith('/')
    ? fragment
    : (anchorPlace(root, fragment, '') ?? fragment)
}

function anchorPlace(value: Json, anchor: string, place: string): string | null {
  if (typeof value !== 'object' || value === null) return null
  if (isSchemaObject(value) && (value['$anchor'] === anchor || value['$dynamicAnchor'] === anchor))
    return place
  for (const [name, each] of Object.entries(value)) {
    const found = anchorPlace(each as Json, anchor, `${place}/${escaped(name)}`)
    if (found !== null) return found
  }
  return null
}
