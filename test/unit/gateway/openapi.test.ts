// The description of the API: valid OpenAPI, of every route that is registered, and no more.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { chatParameters, responseParameters, type Support } from '../../../api/openai/parameters.ts'
import { docsPage } from '../../../api/docs-page.ts'
import { openApi } from '../../../api/openapi.ts'
import { allRoutes } from '../../../api/routes.ts'
import { route, routeName, type Route } from '../../../api/route.ts'
import { taskEventTypes } from '../../../api/task-events.ts'
import { errorTable } from '../../../runtime/errors.ts'

const description = openApi()

test('every reference leads to a schema, and every schema is referred to', () => {
  const text = JSON.stringify(description)
  const wanted = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name ?? ''))
  assert.deepEqual([...wanted].toSorted(), Object.keys(description.components.schemas).toSorted())
  assert.doesNotMatch(text, /\$defs/)
})

test('every operation has an id of its own, a summary, a 400 and the shape of its errors', () => {
  const operations = Object.values(description.paths).flatMap((methods) => Object.values(methods))
  assert.equal(operations.length, allRoutes.length)
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
  assert.equal(new Set(allRoutes.map(routeName)).size, allRoutes.length)
  for (const { summary, responses, tags } of operations) {
    assert.ok(summary.length > 5, summary)
    const text = JSON.stringify(responses['400'])
    // The list of agents is of this API; the protocol's own route has the protocol's errors.
    if (tags.includes('mcp')) assert.match(text, /schemas\/(McpError|Error)"/)
    else assert.match(text, new RegExp(`schemas/${tags.includes('openai') ? 'OpenAiError' : 'Error'}"`))
  }
})

test('the page shows every route, and has nothing to run or to load', () => {
  const page = docsPage(description)
  for (const path of Object.keys(description.paths)) assert.ok(page.includes(`<code>${path}</code>`), path)
  assert.doesNotMatch(page, /<script|<link|src=|@import|https?:/)
})

test('what is served names no file that its reader does not have, and every link leads somewhere', () => {
  assert.doesNotMatch(JSON.stringify(description), /\.md\b/)
  const page = docsPage(description)
  const linked = new Set([...page.matchAll(/href="#([^"]*)"/g)].map(([, id]) => id ?? ''))
  assert.ok(linked.has('errors') && linked.has('schema-Error'), [...linked].join())
  assert.deepEqual(
    [...linked].filter((id) => !page.includes(`id="${id}"`)),
    [],
  )
  for (const code of Object.keys(errorTable)) assert.ok(page.includes(`<tr id="${code}">`), code)
})

test('a stream of events has the schema of its events, and each type of them', () => {
  const schemas = JSON.stringify(description.components.schemas['TaskEvent'])
  for (const type of taskEventTypes) assert.ok(schemas.includes(`"const":"${type}"`), type)
  for (const path of ['/v1/tasks/{id}/events', '/v1/events']) {
    const content = description.paths[path]?.['get']?.responses['200']?.['content']
    assert.deepEqual(content, {
      'text/event-stream': {
        schema: {},
        'x-event-data': { $ref: '#/components/schemas/TaskEvent' },
      },
    })
  }
  const chat = description.paths['/v1/chat/completions']?.['post']?.responses['200']?.['content'] as object
  assert.deepEqual(Object.keys(chat), ['application/json', 'text/event-stream'])
})

test('a request of OpenAI’s protocol is described with every parameter, and what becomes of it', () => {
  const tables = { ChatCompletionRequest: chatParameters, ResponseRequest: responseParameters }
  for (const [name, table] of Object.entries(tables)) {
    const { properties, additionalProperties } = description.components.schemas[name] as {
      properties: Record<string, { type?: string; description?: string }>
      additionalProperties: boolean
    }
    assert.deepEqual(Object.keys(properties).toSorted(), Object.keys(table).toSorted())
    assert.equal(additionalProperties, false)
    for (const [parameter, { is, how }] of Object.entries<Support>(table))
      if (is !== 'supported')
        assert.ok(JSON.stringify(properties[parameter]).includes(JSON.stringify(how).slice(1, -1)), parameter)
  }
})

test('two schemas of one name are refused: the description would show one of them for both', () => {
  const answering = (path: string, schema: z.ZodType): Route =>
    route({
      ...{ method: 'GET', path, tag: 'tasks', summary: 'Test', query: z.strictObject({}) },
      answers: { 200: { description: 'Test.', schema } },
    })
  const one = answering('/v1/one', z.object({ a: z.string() }).meta({ id: 'Thing' }))
  assert.ok(openApi([one]).components.schemas['Thing'])
  const other = answering('/v1/other', z.object({ b: z.string() }).meta({ id: 'Thing' }))
  assert.throws(() => openApi([one, other]), /two schemas have the name Thing/)
})
