// Small programs of the kind that models write. Those that must fail are named with what the model reads.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { TestSession } from './session.ts'
import { started, type Subject } from './subject.ts'

const programs = JSON.parse(readFileSync(new URL('./features.json', import.meta.url), 'utf8')) as Record<
  string,
  string
>
const refused = new Map([
  ['input', 'input() is not available'],
  ['open', 'open() is not available'],
])

export function featureTests(subject: Subject): void {
  const executor = started(subject)
  const lacking = new Map(
    ['numpy', 'pandas']
      .filter((name) => !subject.capabilities.packages.includes(name))
      .map((name) => [`import_${name}`, `'${name}' can't be imported here`]),
  )

  test('programs that models write run, but for those that policy refuses', async () => {
    const failed: string[] = []
    const session = new TestSession(executor)
    for (const [name, code] of Object.entries(programs)) {
      const { error } = await session.step(code)
      const policy = lacking.get(name) ?? refused.get(name)
      if (policy === undefined && error) failed.push(`${name}: ${error.traceback}`)
      if (policy !== undefined) {
        assert.equal(error?.code, 'CODE_PERMISSION', name)
        assert.match(error.message, new RegExp(policy.replace(/[()]/g, '\\$&')), name)
      }
    }
    assert.deepEqual(failed, [])
    assert.equal(Object.keys(programs).length, 106)
  })
}
