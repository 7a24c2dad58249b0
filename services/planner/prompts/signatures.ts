// Tools as Python signatures: the form in which a model that writes Python knows functions best.
import type { JsonSchema, ToolSpec } from '../../../runtime/config/fleet.ts'
import type { Json } from '../../../runtime/stage.ts'

/** Values listed in a type; of a longer list the type alone is shown. */
const MAX_LITERALS = 8

const types: Readonly<Record<string, string>> = {
  string: 'str',
  integer: 'int',
  number: 'float',
  boolean: 'bool',
  object: 'dict',
  array: 'list',
  null: 'None',
}

/** `def name(arg: type) -> type:` and one line of description. */
export function signature({ name, description, input, output }: ToolSpec): string {
  const result = output === null ? 'Any' : pythonType(output)
  const notes = Object.entries(properties(input)).flatMap(([argument, schema]) => {
    const note = schema['description']
    return typeof note === 'string' ? [`${argument}: ${oneLine(note)}`] : []
  })
  const text = [oneLine(description), ...notes].join(' ').replaceAll('"""', "'''")
  return `def ${name}(${parameters(input)}) -> ${result}:\n    """${text}"""`
}

function parameters(input: JsonSchema): string {
  const required = new Set(Array.isArray(input['required']) ? input['required'] : [])
  const parts: string[] = []
  let optionalBefore = false
  for (const [name, schema] of Object.entries(properties(input))) {
    const optional = !required.has(name)
    // Python takes no required argument after an optional one, except by keyword.
    if (!optional && optionalBefore && !parts.includes('*')) parts.push('*')
    optionalBefore ||= optional
    parts.push(optional ? optionalParameter(name, schema) : `${name}: ${pythonType(schema)}`)
  }
  return parts.join(', ')
}

function optionalParameter(name: string, schema: JsonSchema): string {
  const standard = schema['default']
  if (standard !== undefined) return `${name}: ${pythonType(schema)} = ${pythonValue(standard)}`
  return `${name}: ${pythonType(schema)} | None = None`
}

function pythonType(schema: JsonSchema): string {
  const values = 'const' in schema ? [schema['const'] as Json] : schema['enum']
  if (Array.isArray(values) && values.length <= MAX_LITERALS)
    return `Literal[${values.map(pythonValue).join(', ')}]`
  const choices = schema['anyOf'] ?? schema['oneOf']
  if (Array.isArray(choices)) return union(choices.map((choice) => pythonType(asSchema(choice))))
  const { type } = schema
  if (Array.isArray(type)) return union(type.map((one) => types[String(one)] ?? 'Any'))
  if (type === 'array' && schema['items'] !== undefined)
    return `list[${pythonType(asSchema(schema['items']))}]`
  return types[String(type)] ?? 'Any'
}

const union = (names: string[]): string => [...new Set(names)].join(' | ')

function pythonValue(value: Json): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (Array.isArray(value)) return `[${value.map(pythonValue).join(', ')}]`
  if (typeof value !== 'object') return JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([name, item]) => `${JSON.stringify(name)}: ${pythonValue(item)}`)
    .join(', ')}}`
}

function properties(input: JsonSchema): Record<string, JsonSchema> {
  const found = asSchema(input['properties'] ?? {})
  return Object.fromEntries(Object.entries(found).map(([name, schema]) => [name, asSchema(schema)]))
}

function asSchema(value: Json): JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim()
