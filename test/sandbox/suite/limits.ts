import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestSession } from './session.ts'
import { started, type Subject } from './subject.ts'

export function limitTests(subject: Subject): void {
  const executor = started(subject, { memoryMb: 128 })
  /** A session with one variable, and a time limit of a second and a half. */
  async function limited(): Promise<TestSession> {
    const session = new TestSession(executor)
    await session.step('kept = 1')
    session.limits = { ...session.limits, timeoutMs: 1_500 }
    return session
  }

  async function stillThere(session: TestSession): Promise<void> {
    session.limits = { ...session.limits, timeoutMs: 120_000 }
    const outcome = await session.step('kept')
    assert.deepEqual([outcome.error, outcome.value], [null, 1])
  }

  const endless = {
    'a loop': 'while True: pass',
    'a loop that catches everything':
      'while True:\n    try:\n        while True: pass\n    except BaseException: pass',
    'a regular expression that explodes': 'import re\nre.match(r"(a+)+$", "a" * 40 + "b")',
    'a huge integer': 'x = 10 ** (10 ** 8)',
    'a finally that never ends': 'try:\n    1 / 0\nfinally:\n    while True: pass',
    'catastrophic integer arithmetic': 'x = 3 ** 10_000_000\nwhile True: x = x * x',
    'sorts of a million': 'x = [i * 7919 % 1_000_003 for i in range(1_000_000)]\nwhile True: sorted(x)',
    'a repr that never ends': 'class R:\n    def __repr__(self):\n        while True: pass\n{1, R()}',
  } as const
  for (const [what, code] of Object.entries(endless)) {
    test(`${what} ends at the time limit, and earlier variables stay`, async () => {
      const session = await limited()
      const { error, lost, computeMs } = await session.step(code)
      assert.deepEqual([error?.code, error?.class, lost], ['CODE_TIMEOUT', 'TimeoutError', 'step'])
      assert.ok(computeMs < 20_000, `${computeMs} ms`)
      await stillThere(session)
    })
  }

  test('what was printed before the time limit is told', async () => {
    const session = await limited()
    const { prints } = await session.step('for i in range(2000): print("line", i)\nwhile True: pass')
    assert.match(prints, /^line 0\nline 1\n/)
  })

  test('waiting for a tool does not count as computing', async () => {
    const session = await limited()
    session.limits = { ...session.limits, timeoutMs: 400 }
    const slow = () => new Promise<void>((resolve) => setTimeout(resolve, 900))
    const outcome = await session.step('search("a")', () => 'late', slow)
    assert.deepEqual([outcome.error, outcome.value], [null, 'late'])
  })

  const hungry = {
    'one huge allocation': 'x = bytearray(2_000_000_000)',
    'a list that grows for ever': 'x = []\nwhile True: x.append("y" * 10_000 + str(len(x)))',
    'a string that doubles': 's = "a"\nwhile True: s += s',
  } as const
  for (const [what, code] of Object.entries(hungry)) {
    test(`${what} is a MemoryError`, async () => {
      const session = await limited()
      session.limits = { ...session.limits, timeoutMs: 120_000 }
      const { error } = await session.step(code)
      assert.deepEqual([error?.code, error?.class], ['CODE_MEMORY', 'MemoryError'])
      await stillThere(session)
    })
  }

  test('a gigabyte of prints is counted, not kept', async () => {
    const session = await limited()
    session.limits = { ...session.limits, timeoutMs: 120_000 }
    const { prints, error } = await session.step(
      's = "x" * 1_000_000\nfor _ in range(1000): print(s, end="")',
    )
    assert.equal(error, null)
    assert.ok(prints.length < 11_000)
    assert.match(prints, /\n\[… 999990100 characters left out …\]\nx{3300}$/)
  })

  const deep = {
    'a function that calls itself': 'def f(): return f()\nf()',
    'recursion beyond a raised limit':
      'import sys\nsys.setrecursionlimit(10**7)\ndef f(n): return f(n + 1) + 1\nf(0)',
    'a nested list as the value': 'x = []\nfor _ in range(100_000): x = [x]\nx',
    'code that nests deeply': 'eval("(" * 5_000 + ")" * 5_000)',
    'deep comparison': 'a = []; b = []\nfor _ in range(100_000): a = [a]; b = [b]\na == b',
  } as const
  for (const [what, code] of Object.entries(deep)) {
    test(`${what} ends without harm`, async () => {
      const session = await limited()
      session.limits = { ...session.limits, timeoutMs: 20_000 }
      const { error } = await session.step(code)
      if (error) assert.match(error.code, /^CODE_(FAILED|MEMORY|SYNTAX|TIMEOUT)$/)
      await stillThere(session)
    })
  }

  test('too many tool calls end the step even where it catches every exception', async () => {
    const session = await limited()
    session.limits = { ...session.limits, toolCalls: 5, timeoutMs: 120_000 }
    const plain = await session.step(
      'for i in range(10):\n    try: search(str(i))\n    except Exception: pass',
    )
    assert.deepEqual([plain.error?.code, plain.lost, session.asked.length], ['CODE_LIMIT', 'nothing', 5])
    const stubborn = await session.step('while True:\n    try: search("a")\n    except BaseException: pass')
    assert.deepEqual([stubborn.error?.code, stubborn.lost, session.asked.length], ['CODE_LIMIT', 'step', 10])
    await stillThere(session)
  })

  test('a fork bomb is an error or ends at its limit', async () => {
    const session = await limited()
    const { error } = await session.step('import os\nwhile True: os.fork()')
    assert.match(error?.code ?? 'none', /^CODE_(FAILED|PERMISSION|TIMEOUT|MEMORY)$/)
    await stillThere(session)
  })

  test('sleeping for a day does not hold a place for a day', async () => {
    const session = await limited()
    const begunMs = performance.now()
    const { error } = await session.step('import time\ntime.sleep(86_400)')
    const expected = subject.capabilities.sleepsJump ? undefined : 'CODE_TIMEOUT'
    assert.equal(error?.code, expected)
    assert.ok(performance.now() - begunMs < 60_000)
    await stillThere(session)
  })

  test('an argument of 50 MB ends the step, and no tool is called', async () => {
    const session = await limited()
    session.limits = { ...session.limits, timeoutMs: 120_000 }
    const { error } = await session.step('search("x" * 50_000_000)')
    assert.match(error?.code ?? 'none', /^CODE_(LIMIT|MEMORY|PERMISSION)$/)
    assert.deepEqual(session.asked, [])
    await stillThere(session)
  })

  test('a thousand tool calls in a step are made, the next is refused', async () => {
    const session = await limited()
    session.limits = { ...session.limits, timeoutMs: 120_000 }
    const { error } = await session.step('while True: search("a")', () => null)
    assert.deepEqual([error?.code, session.asked.length], ['CODE_LIMIT', 1_000])
  })

  test('another task goes on while one computes for ever, another eats memory and a third floods', async () => {
    const shared = started(subject, { memoryMb: 128 })
    const quiet = new TestSession(shared)
    await quiet.step('n = 0')
    const limits = { ...quiet.limits, timeoutMs: 3_000 }
    const noisy = [
      'while True: pass',
      'x = []\nwhile True: x.append("y" * 10_000 + str(len(x)))',
      'while True: print("z" * 10_000)',
    ].map((code) => {
      const session = new TestSession(shared)
      session.limits = limits
      return session.step(code)
    })
    const others = Promise.all(noisy)
    const latencies: number[] = []
    let over = false
    void others.then(() => (over = true))
    while (!over) {
      const begunMs = performance.now()
      assert.equal((await quiet.step('n += int(search("a"))\nn', () => 1)).value, latencies.length + 1)
      latencies.push(performance.now() - begunMs)
    }
    for (const { error } of await others) assert.match(error?.code ?? 'none', /^CODE_(TIMEOUT|MEMORY)$/)
    const median = latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length / 2)] ?? Infinity
    assert.ok(latencies.length >= 2 && median < 1_500, `${latencies.length} steps, median ${median} ms`)
  })

  test('arguments that are too large end the step', async () => {
    const session = await limited()
    session.limits = { ...session.limits, timeoutMs: 120_000 }
    const { error } = await session.step('search("x" * 5_000_000)')
    assert.equal(error?.code, 'CODE_LIMIT')
    assert.deepEqual(session.asked, [])
    await stillThere(session)
  })

  test('a letter of any alphabet counts as one in arguments', async () => {
    const session = await limited()
    session.limits = { ...session.limits, timeoutMs: 120_000 }
    const chars = async (letter: string) => {
      const { error } = await session.step(`search(${JSON.stringify(letter)} * 400_000)`, () => null)
      assert.equal(error, null, letter)
      return [...String(session.asked.at(-1)?.arguments['query'])].length
    }
    for (const letter of ['x', 'я', '漢', '😀']) assert.equal(await chars(letter), 400_000, letter)
  })

  test('a program that nests too deeply for the parser is a syntax error, and nothing is lost', async () => {
    const session = await limited()
    session.limits = { ...session.limits, timeoutMs: 20_000 }
    for (const [open = '', close = ''] of ['()', '[]']) {
      const { error, lost } = await session.step(`x = ${open.repeat(5_000)}${close.repeat(5_000)}`)
      assert.deepEqual([error?.code, lost], ['CODE_SYNTAX', 'nothing'])
    }
    await stillThere(session)
  })

  test('more sessions than there is room for: the one that waited longest gives its place up and is rebuilt', async () => {
    const small = started(subject, { maxLive: 2 })
    const sessions = Array.from({ length: 5 }, () => new TestSession(small))
    for (const [i, session] of sessions.entries()) await session.step(`x = ${i}`)
    await Promise.all(
      sessions.map(async (session, i) => {
        const outcome = await session.step('x + int(search("a"))', () => '10')
        assert.deepEqual([outcome.error, outcome.value], [null, i + 10])
      }),
    )
    assert.ok(subject.live(small) <= 2, `${subject.live(small)} interpreters`)
  })

  test('an aborted step rejects with the reason, and the session goes on from its log', async () => {
    const session = await limited()
    const stop = new AbortController()
    const step = { kind: 'step', n: 99, code: 'while True: pass', nowMs: 0, seed: '' } as const
    const options = { tools: [], limits: { ...session.limits, timeoutMs: 60_000 }, signal: stop.signal }
    const running = executor.run({ id: session.id, log: session.log }, step, options)
    setImmediate(() => stop.abort())
    await assert.rejects(running, { code: 'CALL_ABORTED' })
    await stillThere(session)
  })

  test('a step under way when the executor closes is not blamed on the code', async () => {
    const closing = started(subject)
    const session = new TestSession(closing)
    await session.step('1')
    const running = session.step('while True: pass')
    setImmediate(() => void closing.close())
    await assert.rejects(running, { code: 'SANDBOX_UNAVAILABLE' })
  })
}
