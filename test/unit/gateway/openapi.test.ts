// The description of the API: valid OpenAPI, of every route that is registered, and no more.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { docsPage } from '../../../api/docs-page.ts'
import { openApi } from '../../../api/openapi.ts'
import { allRoutes } from '../../../api/routes.ts'
import { routeName } from '../../../api/route.ts'

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
  for (const { summary, responses } of operations) {
    assert.ok(summary.length > 5, summary)
    assert.match(JSON.stringify(responses['400']), /schemas\/Error"/)
  }
})

test('the page shows every route, and has nothing to run or to load', () => {
  const page = docsPage(description)
  for (const path of Object.keys(description.paths)) assert.ok(page.includes(`<code>${path}</code>`), path)
  assert.doesNotMatch(page, /<script|<link|src=|@import|https?:/)
})
