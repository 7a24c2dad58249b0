// Our names of the GenAI conventions against OpenTelemetry's published registry: each exists, and none was replaced by another.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { evaluation, genAi, general, withOldNames } from '../../../runtime/telemetry/names.ts'

/** Why each name is deprecated, by the declarations of the package; null: it is not. */
function registry(kind: 'ATTR' | 'EVENT', file: string): Map<string, string | null> {
  const folder = new URL('./', import.meta.resolve('@opentelemetry/semantic-conventions/incubating'))
  const text = readFileSync(fileURLToPath(new URL(file, folder)), 'utf8')
  const declared = new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\s*declare const ${kind}_\\w+: "([^"]+)"`, 'g')
  return new Map(
    [...text.matchAll(declared)].map(([, comment = '', name = '']) => [
      name,
      /@deprecated (.*)/.exec(comment)?.[1] ?? null,
    ]),
  )
}

const attributes = new Map([
  ...registry('ATTR', 'stable_attributes.d.mts'),
  ...registry('ATTR', 'experimental_attributes.d.mts'),
])
const events = registry('EVENT', 'experimental_events.d.mts')

/** All names of GenAI are now kept in a repository of their own; those that it has replaced say by what. */
const isMoved = (why: string | null | undefined): boolean =>
  why === null || /^Moved to the .*GenAI semantic conventions repository/.test(why ?? '')

test('every GenAI attribute that we write is in the registry, and is not replaced by another', () => {
  assert.ok(attributes.size > 400, String(attributes.size))
  const { event, ...scores } = evaluation
  for (const name of [genAi, general, scores].flatMap((names) => Object.values<string>(names)))
    assert.ok(attributes.has(name) && isMoved(attributes.get(name)), `${name}: ${attributes.get(name)}`)
  assert.ok(events.has(event) && isMoved(events.get(event)), `${event}: ${events.get(event)}`)
})

test('each old name is one that the registry has replaced by ours', () => {
  const ours = Object.values(genAi)
  const all = withOldNames(Object.fromEntries(ours.map((name) => [name, name])))
  const old = Object.entries(all).filter(([name, ofNew]) => name !== ofNew)
  assert.ok(old.length > 0)
  for (const [name, ofNew] of old)
    assert.ok(attributes.get(name)?.includes(String(ofNew)), `${name}: ${attributes.get(name)}`)
})
