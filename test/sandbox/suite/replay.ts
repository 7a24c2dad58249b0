// A lost session is rebuilt from its log, at the place where it was, and no tool is asked twice.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestSession } from './session.ts'
import { started, type Subject } from './subject.ts'

const steps = [
  `
import random, time, datetime, uuid, secrets
class A:
    def __init__(self, x): self.x = x
state = {"random": random.random(), "time": time.time(), "now": datetime.datetime.now().isoformat(),
  "uuid": str(uuid.uuid4()), "token": secrets.token_hex(), "set": list({"b", "a", "zz"}), "hash": hash("abc")}
def numbers():
    yield from range(5)
g = numbers()
next(g)
print(state)
state`,
  'a = search("x"); n = next(g)\nf = lambda q: search(q) + str(n)\nprint(a)\nlen(a)',
  'r = []\nfor i in range(6):\n    r.append(f(str(i)))\n    print(i, time.time(), random.random())\n(r, A(5).x)',
  'final_answer({"r": r, "state": state, "n": next(g)})',
]

export function replayTests(subject: Subject): void {
  const first = started(subject)
  const second = started(subject, { variant: true })
  const program = subject.capabilities.sameAddresses ? [...steps, '(id(r), repr(A(1)))'] : steps
  async function whole(session: TestSession, atPause: (count: number) => void | Promise<void> = () => {}) {
    const outcomes = []
    for (const code of program) {
      const outcome = await session.step(code, undefined, () => atPause(session.asked.length))
      assert.equal(outcome.error, null, outcome.error?.traceback)
      outcomes.push({ ...outcome, computeMs: 0 })
    }
    return outcomes
  }

  test('killed in the middle of a loop, it goes on at that iteration and asks no tool twice', async () => {
    const undisturbed = new TestSession(first)
    const expected = await whole(undisturbed)
    for (const place of [1, 2, 4, 7]) {
      const session = new TestSession(first)
      const outcomes = await whole(session, async (count) => {
        if (count === place) await first.discard(session.id)
      })
      assert.deepEqual(outcomes, expected, `killed at call ${place}`)
      assert.equal(session.asked.length, 7)
    }
  })

  test('moved to another executor at every pause, it ends the same', async () => {
    const expected = await whole(new TestSession(first))
    const session = new TestSession(first)
    const outcomes = await whole(session, () => {
      session.executor = session.executor === first ? second : first
    })
    assert.deepEqual(outcomes, expected)
    assert.equal(session.asked.length, 7)
  })

  test('a step that takes longer when it is run again is still replayed', async () => {
    const session = new TestSession(first)
    const { computeMs } = await session.step('n = 0\nfor i in range(3_000_000): n += i\nn')
    await first.discard(session.id)
    // As if the machine were busy now: the step needs more than the limit.
    session.limits = { ...session.limits, timeoutMs: Math.round(computeMs * 0.7) }
    const outcome = await session.step('n > 0')
    assert.deepEqual([outcome.error, outcome.value], [null, true])
  })

  test('calls made together are replayed together', async () => {
    const session = new TestSession(first)
    const outcome = await session.step(
      'import asyncio\na = await asyncio.gather(search.later("1"), search.later("2"))\nb = parallel(search.later("3"), search.later("4"))\na + b + [search("5")]',
      (call) => call.arguments['query'] ?? null,
      () => first.discard(session.id),
    )
    assert.deepEqual(outcome.value, ['1', '2', '3', '4', '5'])
    assert.equal(session.asked.length, 5)
  })

  test('a replay that goes another way is told as such', async () => {
    const session = new TestSession(first)
    await session.step('x = search("a")')
    await first.discard(session.id)
    session.log = session.log.map((entry) =>
      entry.kind === 'call' ? { ...entry, argsHash: 'other' } : entry,
    )
    const outcome = await session.step('x')
    assert.deepEqual([outcome.error?.code, outcome.lost], ['NONDETERMINISM', 'session'])
    assert.match(outcome.error?.message ?? '', /step 1 ran another way than before: call 0/)
    assert.equal((await session.step('"x" in globals()')).value, false)
  })

  test('another output, a call too many and a call too few are divergences', async () => {
    for (const change of ['output', 'more', 'fewer'] as const) {
      const session = new TestSession(first)
      await session.step('x = search("a")\nx')
      await first.discard(session.id)
      session.log =
        change === 'fewer'
          ? session.log.filter((entry) => entry.kind !== 'call' && entry.kind !== 'result')
          : session.log.flatMap((entry) => {
              if (entry.kind === 'done' && change === 'output') return [{ ...entry, outputHash: 'other' }]
              if (entry.kind === 'call' && change === 'more') return [entry, { ...entry, seq: 1 }]
              return [entry]
            })
      assert.equal((await session.step('x')).error?.code, 'NONDETERMINISM', change)
    }
  })

  test('a step that was killed is not replayed', async () => {
    const session = new TestSession(first)
    await session.step('x = 1')
    session.limits = { ...session.limits, timeoutMs: 700 }
    await session.step('x = 2\nwhile True: pass')
    session.limits = { ...session.limits, timeoutMs: 120_000 }
    assert.equal((await session.step('x')).value, 1)
  })
}
