// Figures of the kill test that pages cite are those of its table, which each long run replaces.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isPage } from '../house/rules-docs.ts'
import { root, textFiles } from '../house/tree.ts'

const run = readFileSync(join(root, 'docs/reliability.md'), 'utf8')

function row(name: string): number {
  const found = new RegExp(`^\\| ${name} \\| (\\d+) \\|`, 'm').exec(run)?.[1]
  assert.ok(found, `the table has no row ${name}`)
  return Number(found)
}

const CITED = /(\d[\d,]*) services and (\d[\d,]*) brokers (?:were )?killed\W+of ([\d,]+) tasks[^;]*;\s+of ([\d,]+)\s+calls (\d+) (?:were )?made\s+again/g

test('the kill test is cited as its table has it', () => {
  const [, services, brokers] = /(\d+) services killed[^.]*?, (\d+) brokers killed/.exec(run) ?? []
  const calls = row('model calls answered') + row('tool calls answered')
  const again = row('calls in doubt repeated') + row('calls under way when their caller was killed, made again')
  const expected = [services, brokers, row('tasks submitted'), calls, again].map(Number)
  const cited = textFiles()
    .filter((file) => isPage(file) && file.path !== 'CHANGELOG.md')
    .flatMap(({ path, text }) => [...text.matchAll(CITED)].map(([, ...figures]) => ({ path, figures })))
  assert.deepEqual(cited.map(({ path }) => path).sort(), ['README.md', 'docs/comparison.md'])
  for (const { path, figures } of cited)
    assert.deepEqual(
      figures.map((figure) => Number(figure?.replaceAll(',', ''))),
      expected,
      path,
    )
})

test('no page has its figures in other words', () => {
  const others = textFiles()
    .filter((file) => isPage(file) && !/^(CHANGELOG|docs\/(reliability|adr))/.test(file.path))
    .filter(({ text }) => /\d services and \d+ brokers/.test(text.replaceAll(CITED, '')))
  assert.deepEqual(
    others.map(({ path }) => path),
    [],
  )
})
