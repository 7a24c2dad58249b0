// Schemas that pass the bounds and still take any time or memory: they cost an answer, and nothing else.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { JsonSchema } from '../../runtime/config/fleet.ts'
import { createSchemaChecks } from '../../runtime/foreign-schema/checks.ts'
import type { Json } from '../../schemas/json.ts'

const checks = createSchemaChecks()
after(() => checks.close())

const key = 'ann'
const problemsOf = async (schema: JsonSchema, value: Json, isOwn = false): Promise<string> => {
  const fit = await checks.check({ schema, key, isOwn }, [value])
  return 'problems' in fit ? fit.problems.join('; ') : ''
}

const exploding = String.raw`^(([\s\S])+)+\u0000$`
const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`) as Json

test('the first reading that fits counts; else the problems of the likeliest', async () => {
  assert.deepEqual(await checks.check({ schema: { type: 'number' }, key }, ['a', 1]), { fits: 1 })
  assert.deepEqual(await checks.check({ schema: { type: 'number' }, key }, ['a', null]), {
    problems: ['value: must be number, not "a"'],
  })
})

test('patterns run in linear time, in values and in names', async () => {
  const text = `${'a'.repeat(50_000)}!`
  assert.match(await problemsOf({ pattern: '^(a+)+$' }, text), /must match pattern/)
  assert.match(await problemsOf({ pattern: exploding }, text), /must match pattern/)
  assert.equal(await problemsOf({ patternProperties: { '^(a+)+$': false } }, { [text]: 1 }), '')
  assert.equal(await problemsOf({ pattern: String.raw`^(?<year>\d{4})-\u0041$` }, '2026-A'), '')
})

test("a schema of the configuration has JavaScript's patterns, and the same limits", async () => {
  assert.equal(await problemsOf({ pattern: '^(?=a)a$' }, 'a', true), '')
  assert.match(await problemsOf({ pattern: '^(a+)+$' }, `${'a'.repeat(60)}!`, true), /more than 1 s/)
})

const refusals: [schema: JsonSchema, why: RegExp][] = [
  [{ type: 'nonsense' }, /type/],
  [{ $async: true, type: 'number' }, /\$async/],
  [{ pattern: '^(?=a+)+$' }, /pattern "\^\(\?=a\+\)\+\$" can't be used .* RE2/],
  [{ properties: { a: { patternProperties: { [String.raw`(a)\1`]: {} } } } }, /can't be used .* RE2/],
  [{ pattern: '((a{100}){100}){100}' }, /can't be used/],
  [
    {
      properties: Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`p${i}`, { type: 'string' }])),
    },
    /more than/,
  ],
]
for (const [schema, why] of refusals)
  test(`${JSON.stringify(schema).slice(0, 60)} is refused`, async () => {
    assert.match((await checks.refusal({ schema, key })) ?? 'taken', why)
  })

test('what explodes with the value costs the value', async () => {
  const both = { properties: { a: { allOf: [{ $ref: '#' }, { $ref: '#' }] } } }
  const value = JSON.parse(`${'{"a":'.repeat(40)}1${'}'.repeat(40)}`) as Json
  assert.match(await problemsOf(both, value), /could not be checked: it took more than 1 s/)
  assert.match(await problemsOf({ allOf: [{ $ref: '#' }] }, 1), /could not be checked: it is nested too deep/)
  assert.match(await problemsOf({}, deep), /nested more than 1000 deep/)
  assert.equal(await problemsOf({ type: 'number' }, 1), '', 'others go on')
})

test('a schema is found again under its own text, and others under theirs', async () => {
  for (let round = 0; round < 2; round++)
    for (let value = 0; value < 120; value++)
      assert.equal(await problemsOf({ $id: 'https://example.org/same', const: value }, value), '')
})

test('a flood of new schemas holds up its own user and new schemas; a known one waits for nothing', async () => {
  const own = createSchemaChecks()
  after(() => own.close())
  const known = { type: 'number' }
  assert.equal(await own.refusal({ schema: known, key: 'ann' }), null)
  const ask = (value: number, user: string) => own.refusal({ schema: { const: value }, key: user })
  const taken = Array.from({ length: 8 }, (_, value) => ask(value, 'mallory'))
  await assert.rejects(ask(8, 'mallory'), { code: 'WORKER_BUSY' })
  const same = ask(7, 'ann')
  for (let user = 1; user < 8; user++)
    taken.push(...Array.from({ length: 8 }, (_, value) => ask(100 * user + value, `user ${user}`)))
  await assert.rejects(ask(9, 'bob'), { code: 'WORKER_BUSY', message: /64 new schemas wait/ })
  assert.equal(await own.refusal({ schema: known, key: 'mallory' }), null)
  assert.deepEqual([...new Set(await Promise.all([...taken, same]))], [null])
  assert.equal(await ask(8, 'mallory'), null)
})
