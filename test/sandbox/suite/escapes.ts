// Nothing that a step does reaches the host: no canary is touched, and no tool is called that the step was not given.
import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { Canaries } from './canaries.ts'
import { corpus } from './corpus.ts'
import { TestSession } from './session.ts'
import { started, type Subject } from './subject.ts'

interface How {
  /** Attempts at once, each in a session of its own; what one touches may be told of another one then. Default 1. */
  readonly together?: number
  /** Categories that are left out: names of files. Default none. */
  readonly without?: readonly string[]
}

export async function escapeTests(subject: Subject, { together = 1, without = [] }: How = {}): Promise<void> {
  // Enough of them that none gives its place up: containers that were ended take theirs for a while.
  const executor = started(subject, { maxLive: 4 * together })
  const canaries = await Canaries.lay()
  after(() => canaries.remove())
  const attempts = corpus().filter(({ name }) => !without.some((category) => name.startsWith(`${category}:`)))
  const other = new TestSession(executor)

  test('another session keeps a secret', async () => {
    await other.step(`secret_of_another_session = ${JSON.stringify(canaries.secret)}`)
  })

  suite('no way out', { concurrency: together }, () => {
    for (const { name, code } of attempts) {
      test(name, async () => {
        const session = new TestSession(executor)
        const outcome = await session.step(`${pythonLine(canaries.constants)}\n${code}`, () => null)
        const strange = session.asked.filter((call) => call.name !== 'search')
        assert.deepEqual(await canaries.touched(JSON.stringify([outcome, session.asked])), [])
        assert.deepEqual(strange, [])
        assert.notEqual(outcome.error?.code, 'CODE_SYNTAX', outcome.error?.traceback)
        assert.equal((await session.step('1 + 1')).value, 2)
        await executor.discard(session.id)
      })
    }
  })

  test('nothing was touched later', async () => {
    assert.deepEqual(await canaries.touched(''), [])
    assert.equal((await other.step('len(secret_of_another_session)')).value, canaries.secret.length)
  })

  test('a session sees nothing of another', async () => {
    const one = new TestSession(executor)
    const mark = 'import sys, json\nx = 1\nsys.modules["builtins"].leak = json.leak = 2'
    assert.equal((await one.step(mark)).error, null)
    const look =
      'import sys, json\n["x" in globals(), hasattr(sys.modules["builtins"], "leak"), hasattr(json, "leak")]'
    assert.deepEqual((await one.step(look)).value, [true, true, true])
    assert.deepEqual((await new TestSession(executor).step(look)).value, [false, false, false])
  })
}

const pythonLine = (constants: Canaries['constants']) =>
  `${Object.keys(constants).join(', ')} = ${Object.values(constants)
    .map((value) => JSON.stringify(value))
    .join(', ')}`
