import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'

const folder = join(import.meta.dirname, '../../../deploy/kubernetes')

/** Names of Secrets anywhere below. */
function secretsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, below]) => {
    const named =
      (below as { name?: unknown } | null)?.name ?? (below as { secretName?: unknown } | null)?.secretName
    const own = /^secret(KeyRef)?$/.test(key) && typeof named === 'string' ? [named] : []
    return [...own, ...secretsIn(below)]
  })
}

test('the README of the plain manifests lists every Secret that they name', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'))
  const objects = files.flatMap((name) => parseAllDocuments(readFileSync(join(folder, name), 'utf8')))
  const named = new Set(objects.flatMap((each) => secretsIn(each.toJSON())))
  const readme = readFileSync(join(folder, 'README.md'), 'utf8')
  assert.ok(named.has('flotilla-kafka-router'), [...named].join())
  assert.deepEqual(
    [...named].filter((name) => !readme.includes(`\`${name}\``)),
    [],
  )
})
