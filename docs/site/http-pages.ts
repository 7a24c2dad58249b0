// The routes of the HTTP API as pages, made of its description: one a tag, and one for the schemas.
import type { JsonObject, OpenApi, Operation } from '../../api/openapi.ts'
import { slug } from './links.ts'

export interface HttpPage {
  readonly title: string
  /** From the root of the site. */
  readonly path: string
  readonly text: string
}

const folder = 'http'

export function httpPages({ tags, paths, components }: OpenApi): HttpPage[] {
  const placed = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  const routes = tags.map(({ name, description }) => {
    const own = placed.filter(({ operation }) => operation.tags.includes(name))
    const text = `# HTTP: ${name}\n\n${description}\n\n${own.map(operationText).join('\n')}`
    return { title: name, path: `${folder}/${name}.md`, text }
  })
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => `## ${name}\n\n${json(schema)}\n`,
  )
  const text = `# HTTP: schemas\n\nThe bodies that several routes name.\n\n${schemas.join('\n')}`
  return [...routes, { title: 'schemas', path: `${folder}/schemas.md`, text }]
}

interface Placed {
  readonly path: string
  readonly method: string
  readonly operation: Operation
}

function operationText({ path, method, operation }: Placed): string {
  const { summary, description, parameters, requestBody, responses } = operation
  const answers = Object.entries(responses).map(
    ([status, answer]) => `| ${status} | ${cell(answer['description'])} | ${bodyOf(answer)} |`,
  )
  return [
    `## ${method.toUpperCase()} ${path}\n`,
    `${summary}. ${description ?? ''}\n`,
    ...(parameters.length === 0 ? [] : [`${parameterTable(parameters)}\n`]),
    ...(requestBody === undefined ? [] : [`Body: ${bodyOf(requestBody)}\n`]),
    `| answer | meaning | body |\n|---|---|---|\n${answers.join('\n')}\n`,
  ].join('\n')
}

function parameterTable(parameters: readonly JsonObject[]): string {
  const rows = parameters.map(
    ({ name, in: place, required, description, schema }) =>
      `| \`${String(name)}\` | ${String(place)}${required === true ? ', required' : ''} | ${cell(description ?? '')} | ${code(schema)} |`,
  )
  return `| parameter | in | meaning | schema |\n|---|---|---|---|\n${rows.join('\n')}`
}

/** A link to the schema that a body names, or the schema itself; by media type if there are several. */
function bodyOf({ content }: JsonObject): string {
  const kinds = Object.entries((content ?? {}) as Record<string, { schema?: JsonObject }>)
  return kinds.map(([kind, { schema }]) => `${cell(kind)}: ${schemaText(schema)}`).join('; ') || '–'
}

function schemaText(schema: JsonObject | undefined): string {
  if (schema === undefined) return 'anything'
  const name = typeof schema['$ref'] === 'string' ? schema['$ref'].split('/').at(-1) : undefined
  return name === undefined ? code(schema) : `[${name}](/${folder}/schemas.md#${slug(name)})`
}

const cell = (text: unknown): string => String(text).replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')
const code = (value: unknown): string => `\`${cell(JSON.stringify(value)).replaceAll('`', "'")}\``
const json = (value: unknown): string => `\`\`\`text\n${JSON.stringify(value, null, 2)}\n\`\`\``
