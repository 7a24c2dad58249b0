// The index of decisions has each of them, once and in order.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../house/tree.ts'

test('each decision has one row, in the order of their numbers', () => {
  const pages = readdirSync(join(root, 'docs/adr')).filter((name) => /^\d{4}-/.test(name))
  const index = readFileSync(join(root, 'docs/adr/README.md'), 'utf8')
  const rows = [...index.matchAll(/^\| \[(\d{4})\]\(([^)]+)\)/gm)].map(([, number, page]) => [number, page])
  assert.deepEqual(
    rows,
    pages.sort().map((page) => [page.slice(0, 4), page]),
  )
})
