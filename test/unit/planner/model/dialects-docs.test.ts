import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { dialectsTable } from './dialects-table.ts'

const cells = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[\s|-]*$/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()))

test('docs/model-servers.md shows the dialects that are tested', () => {
  const page = readFileSync(new URL('../../../../docs/model-servers.md', import.meta.url), 'utf8')
  const written = page.slice(page.indexOf('<!-- dialects -->'), page.indexOf('<!-- /dialects -->'))
  assert.deepEqual(cells(written), cells(dialectsTable()))
})
