import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openApi } from '../../../api/openapi.ts'
import { httpPages } from '../../../docs/site/http-pages.ts'
import { mapLinks, slug } from '../../../docs/site/links.ts'
import { collectSite, sections, sitePath } from '../../../docs/site/pages.ts'
import { isPage } from '../house/rules-docs.ts'
import { textFiles } from '../house/tree.ts'

test('relative links change, those in code and to other hosts do not', () => {
  const seen: string[] = []
  const map = (link: string): string | null => {
    seen.push(link)
    return link === 'gone' ? null : `/${link}`
  }
  const page = '[a](a.md#x) `[no](b)` [`c`](c) ![i](i.png) [w](https://w.org) [g](gone)\n```md\n[no](d)\n```\n[e](e)'
  assert.equal(
    mapLinks(page, map),
    '[a](/a.md#x) `[no](b)` [`c`](/c) ![i](/i.png) [w](https://w.org) g\n```md\n[no](d)\n```\n[e](/e)',
  )
  assert.deepEqual(seen, ['a.md#x', 'c', 'i.png', 'gone', 'e'])
  assert.equal(mapLinks('<!-- a file -->\ntext', map), 'text')
})

test('anchors are those of GitHub', () => {
  assert.equal(slug('Who may ask, over HTTP'), 'who-may-ask-over-http')
  assert.equal(slug('3. A call whose outcome is journalled'), '3-a-call-whose-outcome-is-journalled')
  assert.equal(slug('`GET /v1/tasks/{id}`'), 'get-v1tasksid')
})

test('every page of docs/ is reached, under a path of its own', () => {
  const { pages, dead } = collectSite()
  assert.deepEqual(dead, [])
  const reached = new Set(pages.map(({ source }) => source))
  const written = textFiles().filter((file) => isPage(file) && /^docs\/(?!site\/)/.test(file.path))
  assert.deepEqual(
    written.filter(({ path }) => !reached.has(path)).map(({ path }) => `${path}: docs/README.md has no row that leads to it`),
    [],
  )
  const paths = [...pages, ...httpPages(openApi())].map(({ path }) => path)
  assert.equal(new Set(paths.map((path) => path.toLowerCase())).size, paths.length)
  assert.equal(sitePath('docs/runbooks/README.md'), 'runbooks/index.md')
  assert.equal(sitePath('schemas/topics.ts'), 'source/schemas/topics.ts.txt')
})

test('the sidebar has the sections of docs/README.md', () => {
  const titles = sections().map(({ title }) => title)
  assert.deepEqual(titles.slice(0, 5), ['Start', 'Use', 'Operate', 'Understand', 'Reference'])
  for (const { title, pages } of sections()) assert.ok(pages.length > 2, title)
})

test('every route is on a page, with a link to the schemas that it names', () => {
  const pages = httpPages(openApi())
  const text = pages.map((page) => page.text).join('\n')
  for (const [path, methods] of Object.entries(openApi().paths))
    for (const method of Object.keys(methods)) assert.ok(text.includes(`## ${method.toUpperCase()} ${path}\n`), path)
  for (const [, name] of text.matchAll(/\/http\/schemas\.md#([\w-]+)/g))
    assert.match(pages.at(-1)?.text ?? '', new RegExp(`^## ${name}$`, 'im'))
})
