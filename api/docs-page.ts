// The description of the HTTP API as one HTML page, without scripts and without anything to load.
import { errorTable } from '../runtime/errors.ts'
import type { ErrorRow } from '../runtime/errors/row.ts'
import type { JsonObject, OpenApi, Operation } from './openapi.ts'

const style = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem }
details { border: 1px solid #8885; border-radius: 6px; margin: .4rem 0; padding: .4rem .7rem }
summary { cursor: pointer }
summary code { font-weight: 600 }
.method { display: inline-block; min-width: 3.2rem; color: #06c }
.post { color: #a40 }
pre { overflow-x: auto; background: #8881; padding: .7rem; border-radius: 6px }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #8883 }
`

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const html = (text: unknown): string =>
  String(text).replaceAll(/[&<>"']/g, (character) => escapes[character] ?? '')
const code = (text: unknown): string => `<code>${html(text)}</code>`
const pre = (value: unknown): string => `<pre>${html(JSON.stringify(value, null, 2))}</pre>`
const when = (value: unknown, make: () => string): string => (value === undefined ? '' : make())

export function docsPage({ info, tags, paths, components }: OpenApi): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  const sections = tags.map(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name))
    return `<h2 id="${html(name)}">${html(name)}</h2><p>${html(description)}</p>${own.map(operationHtml).join('')}`
  })
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="schema-${html(name)}"><summary>${code(name)}</summary>${pre(schema)}</details>`,
  )
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${html(info['title'])} HTTP API</title>
<meta name="viewport" content="width=device-width"><style>${style}</style></head>
<body>
<h1>${html(info['title'])} HTTP API</h1>
<p>${html(info['description'])} As <a href="openapi.json">OpenAPI 3.1</a>. Version ${html(info['version'])}.
<a href="#errors">Errors</a>, <a href="#schemas">schemas</a>.</p>
${sections.join('\n')}
<h2 id="errors">Errors</h2>
<p>The codes of <a href="#schema-Error">error answers</a>, of results and of dead letters.</p>
<table><tr><th>code</th><th>what happened</th><th>what to do</th><th>retry</th></tr>
${Object.entries(errorTable).map(errorRow).join('\n')}
</table>
<h2 id="schemas">Schemas</h2>
${schemas.join('\n')}
</body></html>
`
}

function errorRow([name, { meaning, remedy, retryable }]: [string, ErrorRow]): string {
  const cells = [code(name), html(meaning), html(remedy), retryable ? 'yes' : 'no']
  return `<tr id="${html(name)}">${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
}

interface Placed {
  readonly path: string
  readonly method: string
  readonly operation: Operation
}

function operationHtml({ path, method, operation }: Placed): string {
  const { operationId, summary, description, parameters, requestBody, responses } = operation
  const head = `<span class="method ${html(method)}">${html(method.toUpperCase())}</span> ${code(path)} ${html(summary)}`
  const content = contentOf(requestBody)
  return `<details id="${html(operationId)}"><summary>${head}</summary>
${when(description, () => `<p>${html(description)}</p>`)}
${parameters.length === 0 ? '' : table('Parameters', parameters.map(parameterRow))}
${when(content, () => `<h4>Body</h4>${contentHtml(content ?? {})}`)}
${table('Answers', Object.entries(responses).map(answerRow))}
</details>`
}

const table = (title: string, rows: readonly string[]): string =>
  `<h4>${html(title)}</h4><table>${rows.join('')}</table>`

function parameterRow({ name, in: place, description = '', schema }: JsonObject): string {
  return `<tr><td>${code(name)}</td><td>${html(place)}</td><td>${html(description)} ${code(JSON.stringify(schema))}</td></tr>`
}

function answerRow([status, answer]: [string, JsonObject]): string {
  const content = contentOf(answer)
  const isError = Number(status) >= 400
  const shown = content === undefined || isError ? '' : contentHtml(content)
  return `<tr><td>${code(status)}</td><td>${html(answer['description'])}${shown}</td></tr>`
}

function contentOf(part: JsonObject | undefined): JsonObject | undefined {
  const content = part?.['content'] as Record<string, JsonObject> | undefined
  return content && Object.values(content)[0]
}

function contentHtml({ schema, example, 'x-event-data': data }: JsonObject): string {
  const name = ((data ?? schema) as { $ref?: string } | undefined)?.$ref?.split('/').at(-1)
  const shape = name === undefined ? pre(schema) : `<p><a href="#schema-${html(name)}">${html(name)}</a></p>`
  return shape + when(example, () => pre(example))
}
