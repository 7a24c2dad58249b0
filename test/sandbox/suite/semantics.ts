import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ToolSignature } from '../../../services/code-sandbox/executors/port.ts'
import { TestSession } from './session.ts'
import { started, type Subject } from './subject.ts'

export function semanticsTests(subject: Subject): void {
  const executor = started(subject)
  async function value(code: string, session = new TestSession(executor)) {
    const outcome = await session.step(code)
    assert.equal(outcome.error, null, outcome.error?.traceback)
    return outcome.value
  }

  test('variables, functions, classes, generators and imports live on between steps', async () => {
    const session = new TestSession(executor)
    await session.step(
      'import math\nclass A:\n    x = 41\ndef f(): return A.x + 1\ng = iter(range(3))\nnext(g)',
    )
    assert.deepEqual(await value('(f(), next(g), math.floor(2.5))', session), [42, 1, 2])
  })

  test('the value of a step is its last expression, as JSON where JSON can hold it', async () => {
    const session = new TestSession(executor)
    assert.equal(await value('x = 1', session), null)
    assert.deepEqual(await value('{"a": (1, 2.5, None, True), "é": {3, 1}}', session), {
      a: [1, 2.5, null, true],
      é: [1, 3],
    })
    assert.deepEqual(
      await value(
        'import datetime, decimal, dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int = 1\n[datetime.date(2024, 1, 2), decimal.Decimal("1.5"), P()]',
        session,
      ),
      ['2024-01-02', 1.5, { x: 1 }],
    )
    assert.equal(await value('float("nan")', session), 'nan')
    assert.deepEqual(await value('{(1, 2): 3}', session), { '(1, 2)': 3 })
    assert.deepEqual(await value('a = []\na.append(a)\na', session), ['[…]'])
    assert.equal(await value('2 ** 80', session), '1208925819614629174706176')
    assert.match(
      String(await value('"x" * 1_000_000', session)),
      /^x{10000} … \[truncated: 1,000,000 characters\]$/,
    )
  })

  test('what is printed is kept, and truncated with a note', async () => {
    const session = new TestSession(executor)
    const short = await session.step('import sys\nprint("a", 1)\nprint("b", file=sys.stderr)')
    assert.equal(short.prints, 'a 1\nb\n')
    const long = await session.step('for _ in range(3000): print("0123456789")')
    assert.equal(long.prints.slice(0, 22), '0123456789\n0123456789\n')
    assert.match(long.prints, /\n\[… 23100 characters left out …\]\n[^]*0123456789\n$/)
    assert.ok(long.prints.length <= 10_000)
  })

  test("what is written to Python's own streams is printed in its order", async () => {
    const session = new TestSession(executor)
    const files = 'sys.stdout, sys.__stderr__, sys.stderr, sys.__stdout__'
    const code = `import sys\nfor i, file in enumerate([${files}]): print(i, file=file)`
    const { error, prints } = await session.step(code)
    assert.deepEqual([error, prints], [null, '0\n1\n2\n3\n'])
  })

  test('final_answer ends the step; the first one counts, even where a bare except swallows it', async () => {
    const session = new TestSession(executor)
    const plain = await session.step('final_answer({"total": 3})\nprint("never")')
    assert.deepEqual([plain.isFinal, plain.finalAnswer, plain.prints], [true, { total: 3 }, ''])
    const swallowed = await session.step('try:\n    final_answer(1)\nexcept:\n    final_answer(2)')
    assert.deepEqual([swallowed.isFinal, swallowed.finalAnswer], [true, 1])
    const large = await session.step('final_answer("x" * 20_000)')
    assert.deepEqual([large.isFinal, large.error?.code], [false, 'CODE_LIMIT'])
    const none = await session.step('1')
    assert.deepEqual([none.isFinal, none.finalAnswer], [false, null])
  })

  test('bytes, files and images are no final answer, and the model is told what to give instead', async () => {
    const session = new TestSession(executor)
    const image = 'type("Image", (), {"_repr_png_": lambda self: b""})()'
    const refused = [
      ['b"\\x89PNG"', /TypeError: final_answer\(\) takes plain data .*, not bytes: .*\.decode\(\)/],
      ['{"rows": [1, bytearray(2)]}', /not bytes/],
      ['__import__("io").StringIO("x")', /not a file: give its content back as text/],
      [`[${image}]`, /not an image: say in words/],
    ] as const
    for (const [value, told] of refused) {
      const outcome = await session.step(`final_answer(${value})`)
      assert.deepEqual([outcome.isFinal, outcome.error?.code], [false, 'CODE_FAILED'], value)
      assert.match(outcome.error?.traceback ?? '', told)
    }
    const knotted = await session.step('x = {"a": ("b", {1})}\nfinal_answer([x, x])')
    assert.deepEqual(knotted.finalAnswer, [{ a: ['b', [1]] }, { a: ['b', [1]] }])
  })

  test('tools called in a loop: each pauses, arguments are bound by the schema', async () => {
    const session = new TestSession(executor)
    const outcome = await session.step(
      'found = [search(q, limit=n) for n, q in enumerate("ab")]\nfound.append(search(query="c"))\nfound',
      (call) => `${String(call.arguments['query'])}${String(call.arguments['limit'])}`,
    )
    assert.deepEqual(outcome.value, ['a0', 'b1', 'c5'])
    assert.deepEqual(
      session.asked.map((call) => [call.seq, call.name, call.arguments]),
      [
        [0, 'search', { query: 'a', limit: 0 }],
        [1, 'search', { query: 'b', limit: 1 }],
        [2, 'search', { query: 'c', limit: 5 }],
      ],
    )
  })

  test('wrong arguments are a TypeError before anything is called', async () => {
    const session = new TestSession(executor)
    const errors = [
      ['search()', "search() missing required argument: 'query'"],
      ['search("a", 1, 2)', 'search() takes at most 2 arguments (3 given): query, limit'],
      ['search("a", query="b")', "search() got multiple values for argument 'query'"],
      [
        'search("a", lang="de")',
        "search() got an unexpected keyword argument 'lang'; it takes: query, limit",
      ],
      [
        'search(b"x")',
        "search() argument 'query' can't be bytes: make text of them: data.decode(), or base64.b64encode(data).decode()",
      ],
    ] as const
    for (const [code, message] of errors) {
      const { error } = await session.step(code)
      assert.deepEqual([error?.code, error?.class, error?.message], ['CODE_FAILED', 'TypeError', message])
    }
    assert.deepEqual(session.asked, [])
  })

  test('a tool shows its description and signature', async () => {
    const outcome = await value(
      'import inspect\n(search.__name__, search.__doc__, str(inspect.signature(search)))',
    )
    assert.deepEqual(outcome, ['search', 'Finds pages.', '(query, limit=5)'])
  })

  test('names that Python would refuse as parameters are still taken as keywords', async () => {
    const session = new TestSession(executor)
    const odd: ToolSignature = {
      name: 'odd',
      description: '',
      input: { type: 'object', properties: { 'a-b': {}, class: {} } },
    }
    session.tools = [odd]
    await session.step('odd(1, **{"class": 2})')
    assert.deepEqual(session.asked[0]?.arguments, { 'a-b': 1, class: 2 })
  })

  test('values as deep as the host takes them go through a tool and an answer, whatever the recursion limit', async () => {
    const session = new TestSession(executor)
    const open: ToolSignature = {
      name: 'open_tool',
      description: '',
      input: { type: 'object', properties: { x: {} } },
    }
    session.tools = [open]
    await session.step(
      'import sys\nsys.setrecursionlimit(200)\ndef deep(n):\n    v = 1\n    for _ in range(n): v = [v]\n    return v',
    )
    const levels = 'n = 0\nwhile isinstance(r, list): r = r[0]; n += 1\n[n, sys.getrecursionlimit()]'
    const echoed = await session.step(
      `r = open_tool(deep(999))\n${levels}`,
      (call) => call.arguments['x'] ?? null,
    )
    assert.deepEqual([echoed.error, echoed.value], [null, [999, 200]])
    const answered = await session.step('final_answer(deep(1000))')
    assert.equal(JSON.stringify(answered.finalAnswer).length, 2_001)
    for (const code of ['open_tool(deep(1000))', 'final_answer(deep(1001))'])
      assert.match((await session.step(code)).error?.message ?? '', /nested more than (999|1,000) deep/)
  })

  test('an exception whose class has a name of millions of letters is reported with its beginning', async () => {
    const { error, lost } = await new TestSession(executor).step(
      'raise type("E" * 10_000_000, (Exception,), {})()',
    )
    assert.deepEqual([error?.code, error?.class, lost], ['CODE_FAILED', 'E'.repeat(200), 'nothing'])
  })

  test("a tool's failure is an exception that code can catch", async () => {
    const session = new TestSession(executor)
    const fail = () => new Error('no such page')
    const caught = await session.step(
      'try:\n    search("a")\nexcept ToolError as e:\n    r = (str(e), e.code)\nr',
      fail,
    )
    assert.deepEqual(caught.value, ['search: no such page', 'TOOL_FAILED'])
    const uncaught = await session.step('search("a")', fail)
    assert.deepEqual([uncaught.error?.code, uncaught.error?.class], ['CODE_FAILED', 'ToolError'])
    assert.equal(uncaught.error?.traceback.includes('sandbox_'), false)
  })

  test('calls awaited together are one pause: gather and parallel', async () => {
    const session = new TestSession(executor)
    const pauses: number[] = []
    const count = (paused: { calls: readonly unknown[] }) => void pauses.push(paused.calls.length)
    const gathered = await session.step(
      'import asyncio\nawait asyncio.gather(*(search.later(q) for q in "abc"))',
      (call) => call.arguments['query'] ?? null,
      count,
    )
    assert.deepEqual(gathered.value, ['a', 'b', 'c'])
    const parallel = await session.step(
      'parallel(search.later("d"), search.later("e"))',
      (call) => call.arguments['query'] ?? null,
      count,
    )
    assert.deepEqual(parallel.value, ['d', 'e'])
    assert.deepEqual(pauses, [3, 2])
    const mixed = await session.step(
      'parallel([search.later("d"), search.later("e")], return_exceptions=True)',
      (call) => (call.arguments['query'] === 'd' ? new Error('down') : 'up'),
    )
    assert.deepEqual(mixed.value, ["ToolError('search: down')", 'up'])
  })

  test('coroutines, tasks, sleeps, timeouts and executors work without threads', async () => {
    const code = `
import asyncio, time
from concurrent.futures import ThreadPoolExecutor
async def one(q):
    await asyncio.sleep(1)
    return await search.later(q)
async def main():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(q)) for q in "ab"]
    return [t.result() for t in tasks]
begun = time.monotonic()
r = asyncio.run(main())
try:
    await asyncio.wait_for(asyncio.Event().wait(), 5)
except TimeoutError:
    r.append('late')
with ThreadPoolExecutor(4) as pool:
    r += pool.map(search, "cd")
r.append(await asyncio.to_thread(len, "four"))
(r, round(time.monotonic() - begun))`
    const session = new TestSession(executor)
    const outcome = await session.step(code, (call) => call.arguments['query'] ?? null)
    assert.deepEqual([outcome.error, outcome.value], [null, [['a', 'b', 'late', 'c', 'd', 4], 6]])
    const stuck = await session.step('await asyncio.Event().wait()')
    assert.match(stuck.error?.message ?? '', /this await can never end/)
  })

  test('time is the journalled time, and moves with sleeps and tool results', async () => {
    const session = new TestSession(executor)
    const outcome = await session.step(
      'import time, datetime\na = time.time()\ntime.sleep(30)\nb = time.time()\n(round(b - a), datetime.datetime.now().year, round(a))',
    )
    assert.deepEqual(outcome.value, [30, 2025, 1_750_000_001])
    assert.equal(
      await value('t = time.perf_counter()\nwhile time.perf_counter() - t < 0.01: pass\n"ended"', session),
      'ended',
    )
  })

  test('errors carry the line numbers of the step', async () => {
    const session = new TestSession(executor)
    await session.step('def half(x):\n    return x / 0')
    const failed = await session.step('a = 1\n\nhalf(a)')
    assert.equal(failed.error?.code, 'CODE_FAILED')
    assert.match(
      failed.error.traceback,
      /^Traceback \(most recent call last\):\n {2}File "<step-2>", line 3, in <module>\n {4}half\(a\)[^]*File "<step-1>", line 2, in half\n {4}return x \/ 0[^]*ZeroDivisionError: division by zero\n$/,
    )
    const syntax = await session.step('x = 1\nif x\n    pass')
    assert.deepEqual([syntax.error?.code, syntax.error?.class], ['CODE_SYNTAX', 'SyntaxError'])
    assert.match(syntax.error?.traceback ?? '', /File "<step-3>", line 2\n {4}if x\n[^]*expected ':'/)
    const later = await session.step('eval("1 +")')
    assert.equal(later.error?.code, 'CODE_FAILED')
    const chained = await session.step(
      'try:\n    {}["k"]\nexcept KeyError as e:\n    raise ValueError("bad") from e',
    )
    assert.match(chained.error?.traceback ?? '', /KeyError: 'k'[^]*direct cause[^]*ValueError: bad/)
  })

  test('a step that fails keeps what it did before', async () => {
    const session = new TestSession(executor)
    await session.step('x = 1\nraise ValueError()')
    assert.equal(await value('x', session), 1)
  })

  test('an import that is refused can be caught as ImportError', async () => {
    assert.equal(await value('try:\n    import numpy\nexcept ImportError:\n    r = "plain"\nr'), 'plain')
  })

  test('text of any kind comes through', async () => {
    assert.equal(await value('("\\u0000 \\ud800 😀 é",)[0]'), '\u0000 ? 😀 é')
    const session = new TestSession(executor)
    const echoed = await session.step(
      'x = search("😀\\n\\"quoted\\"")\nprint("\\ud800")\nx',
      (call) => call.arguments['query'] ?? null,
    )
    assert.deepEqual([echoed.value, echoed.prints], ['😀\n"quoted"', '?\n'])
  })
}
