// What pages name in prose is there: headings that links lead to, routes of the API, metrics, and settings, variables and
// error codes somewhere in the sources. snippets.test.ts does the same for what readers type.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openApi } from '../../../api/openapi.ts'
import { slug } from '../../../docs/site/links.ts'
import { discoverModels } from '../../../runtime/models/discovery.ts'
import { counters, distributions, gauges, histograms } from '../../../runtime/telemetry/metrics-table.ts'
import { isPage } from '../house/rules-docs.ts'
import { root, textFiles, type TextFile } from '../house/tree.ts'
import { links, metricsIn, selectorsIn, spansOf, unknownNames, type Span } from './references.ts'

/** What was, not what is. */
const history = /^(CHANGELOG\.md$|docs\/adr\/|docs\/upgrading\.md$)/
const all = textFiles()
const pages = all.filter(isPage)
const present = pages.filter(({ path }) => !history.test(path))
const spans = present.flatMap(spansOf)

test('a link to a heading leads to one', () => {
  const headings = new Map(pages.map(({ path, text }) => [path, headingsOf(text)]))
  const dead = (page: TextFile): string[] =>
    links(page)
      .filter(({ target, anchor }) => headings.get(target)?.has(anchor) === false)
      .map(({ target, anchor }) => `${page.path} names ${target}#${anchor}`)
  assert.ok(pages.flatMap(links).length > 20)
  assert.deepEqual(pages.flatMap(dead), [])
  assert.deepEqual(dead({ path: 'docs/a.md', text: '[x](errors.md#no-such-heading) [y](errors.md)' }), [
    'docs/a.md names docs/errors.md#no-such-heading',
  ])
})

function headingsOf(text: string): Set<string> {
  const plain = text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '')
  return new Set([...plain.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => slug(title)))
}

test('a route that a page names is one of the API', () => {
  const routes = Object.entries(openApi().paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({
      method: method.toUpperCase(),
      pattern: new RegExp(`^${path.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`),
    })),
  )
  const wrong = (list: readonly Span[]): string[] =>
    list
      .filter(({ text, place }) => !isAnothers(text, place))
      .flatMap(({ place, text }) => {
        const [, method, path = ''] = /^(?:(GET|POST|PUT|PATCH|DELETE) )?(\/v1\/[^\s?#]+)/.exec(text) ?? []
        const isThere = routes.some((route) => (method ?? route.method) === route.method && route.pattern.test(path))
        return path === '' || isThere ? [] : [`${place}: ${text}`]
      })
  assert.deepEqual(wrong(spans), [])
  assert.deepEqual(wrong([{ place: 'docs/a.md:1', text: 'GET /v1/tasks/{id}/stream' }]), [
    'docs/a.md:1: GET /v1/tasks/{id}/stream',
  ])
})

/** Routes of other servers, and those of OpenAI that the page says are not there. */
const isAnothers = (text: string, place: string): boolean =>
  place.startsWith('docs/sandbox-http.md') ||
  ['/v1/traces', '/v1/completions', 'DELETE /v1/responses/{id}'].includes(text)

test('a setting, variable or code that a page names is somewhere in the sources', () => {
  const sources = all.filter((file) => !isPage(file) && !/^(docs\/|test\/unit\/docs\/)/.test(file.path))
  const known = new Set(sources.flatMap(({ text }) => text.match(/[A-Za-z_$][\w$]*/g) ?? []))
  for (const provider of [...Object.keys(discoverModels({}).providers), 'ollama'])
    for (const rest of ['API_KEY', 'BASE_URL', 'MODEL']) known.add(`${provider.toUpperCase()}_${rest}`)
  for (const name of ofOthers) known.add(name)
  const unknown = (list: readonly Span[]): string[] =>
    list.flatMap(({ place, text }) => unknownNames(text, known).map((name) => `${place}: ${name}`))
  assert.deepEqual(unknown(spans), [])
  for (const text of ['NO_SUCH_CODE', 'limits.queue.inTheFleet', '{ maxStepz: 1 }'])
    assert.equal(unknown([{ place: 'docs/a.md:1', text }]).length, 1, text)
})

/** Names of other programs: Node, Ollama, JSON Schema's keywords that are not supported, and suites of docs/compatibility.md. */
const ofOthers = [
  'NODE_EXTRA_CA_CERTS',
  'OLLAMA_NUM_PARALLEL',
  '$dynamicRef',
  '$recursiveRef',
  'messageV1',
  'validateStatus',
]

/** Name as Prometheus sees it → its labels. */
const exported = new Map<string, readonly string[]>([
  ...Object.entries(counters).map(([name, { labels }]) => [`flotilla_${name}_total`, labels] as const),
  ...Object.entries({ ...gauges, ...distributions }).map(([name, { labels }]) => [`flotilla_${name}`, labels] as const),
  ...Object.entries(histograms).map(([name, { labels }]) => [`flotilla_${name}_seconds`, labels] as const),
])
const seriesOf = (name: string): string => name.replace(/_(bucket|sum|count)$/, '')

test('a metric that a page names is exported under this name', () => {
  const named = spans.flatMap(({ place, text }) => metricsIn(text).map((name) => ({ place, name })))
  assert.ok(named.length > 20)
  assert.deepEqual(named.filter(({ name }) => !exported.has(seriesOf(name))), [])
})

test('a metric that a page names has its whole name, and the labels by which it is chosen', () => {
  const alerts: readonly string[] = readFileSync(join(root, 'deploy/prometheus/rules.yml'), 'utf8').match(/(?<=alert: )\w+/g) ?? []
  const bare = Object.keys({ ...counters, ...gauges, ...histograms, ...distributions }).filter(
    (name) => name.includes('_') && !alerts.includes(name),
  )
  const wrong = (list: readonly Span[]): string[] =>
    list.flatMap(({ place, text }) => [
      ...bare.filter((name) => text === name).map((name) => `${place}: ${name}`),
      ...selectorsIn(text)
        .filter(({ name, label }) => exported.get(seriesOf(name))?.includes(label) === false)
        .map(({ name, label }) => `${place}: ${name}{${label}}`),
    ])
  assert.ok(spans.flatMap(({ text }) => selectorsIn(text)).length > 4)
  assert.deepEqual(wrong(spans), [])
  for (const text of ['breaker_state', 'rate(flotilla_lag{stage="router",lanes="1"}[5m])'])
    assert.equal(wrong([{ place: 'docs/a.md:1', text }]).length, 1, text)
})

test('pages name the size from which a payload is kept outside its record', () => {
  const source = readFileSync(join(root, 'runtime/codec/claim-check.ts'), 'utf8')
  const limit = Number(/LIMIT_BYTES = ([\d_]+)/.exec(source)?.[1]?.replaceAll('_', '')).toLocaleString('en')
  const named = present.flatMap(({ path, text }) =>
    [...text.matchAll(/payloads\s+above\s+([\d,]+\s+\w+)/gi)].map(([, size = '']) => ({ path, size })),
  )
  assert.ok(named.length >= 5)
  assert.deepEqual(named.filter(({ size }) => size !== `${limit} bytes`), [])
})
