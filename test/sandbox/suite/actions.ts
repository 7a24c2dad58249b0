// Actions as models write them: what each must come to, as a table. Where CPython itself can run the action, a reference
// run on the machine's own python3 (actions-reference.test.ts) must come to the same.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ToolSignature } from '../../../services/code-sandbox/executors/port.ts'
import type { Json } from '../../../schemas/json.ts'
import { TestSession, searchTool } from './session.ts'
import { started, type Subject } from './subject.ts'

export interface Action {
  readonly name: string
  readonly steps: readonly string[]
  /** The final answer; or, of a step that fails or only prints, what the model is told. */
  readonly answer?: Json
  readonly told?: RegExp
  /** Only the sandbox can run it, or says so in other words. */
  readonly ours?: true
}

const action = (
  name: string,
  steps: string | readonly string[],
  wanted: Omit<Action, 'name' | 'steps'>,
): Action => ({
  name,
  steps: typeof steps === 'string' ? [steps] : steps,
  ...wanted,
})
const gives = (name: string, steps: string | readonly string[], answer: Json) =>
  action(name, steps, { answer })
const ours = (name: string, steps: string | readonly string[], answer: Json) =>
  action(name, steps, { answer, ours: true })
const tells = (name: string, steps: string | readonly string[], told: RegExp) =>
  action(name, steps, { told, ours: true })

const numbers = [
  gives('a large integer', 'final_answer(2 ** 100)', '1267650600228229401496703205376'),
  gives('an id within', 'final_answer({"id": 9007199254740993})', { id: '9007199254740993' }),
  gives('the largest exact integer', 'final_answer([2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 53])', [
    9007199254740991,
    -9007199254740991,
    '9007199254740992',
  ]),
  gives('thousands of digits', 'final_answer(len(str(10 ** 4000)))', 4001),
  ours('more digits than Python writes', 'final_answer({"n": 10 ** 4400})', { n: `1${'0'.repeat(4400)}` }),
  gives('an id through a tool', 'x = echo(9007199254740993)\nfinal_answer([x == 9007199254740993, x + 1])', [
    true,
    '9007199254740994',
  ]),
  gives(
    'an id within arguments',
    'x = echo({"ids": [2 ** 60 + 1, 5]})\nfinal_answer(sum(x["ids"]))',
    '1152921504606846982',
  ),
  gives(
    'an id of another step',
    ['echo(2 ** 63)', 'x = echo({"found": [2 ** 63]})', 'final_answer(x["found"][0] - 1)'],
    '9223372036854775807',
  ),
  gives(
    'text of digits stays text',
    'final_answer(echo("12345678901234567890") == "12345678901234567890")',
    true,
  ),
  gives(
    'fibonacci',
    'def fib(n):\n    a, b = 0, 1\n    for _ in range(n): a, b = b, a + b\n    return a\nfinal_answer(fib(80))',
    '23416728348467685',
  ),
  tells('the last value', '2 ** 64 + 1', /18446744073709551617/),
] as const

const values = [
  ours('NaN beside numbers', 'final_answer([{"a": 1.5, "b": float("nan")}, {"a": 2, "b": float("-inf")}])', [
    { a: 1.5, b: 'nan' },
    { a: 2, b: '-inf' },
  ]),
  ours('tuples as keys', 'final_answer({("North", 1): 10})', { "('North', 1)": 10 }),
  ours('dates as keys', 'import datetime\nfinal_answer({datetime.date(2024, 1, 2): 3})', { '2024-01-02': 3 }),
  gives('numbers as keys', 'final_answer({1: "a", 2.5: "b", True and 3: "c", None: "d"})', {
    1: 'a',
    '2.5': 'b',
    3: 'c',
    null: 'd',
  }),
  tells('keys that are one in JSON', 'final_answer({1: "a", "1": "b"})', /keys 1 and '1'.*rename one/),
  ours('a generator', 'final_answer(x * x for x in range(4))', [0, 1, 4, 9]),
  ours(
    'map, views and ranges',
    'd = {"a": 1}\nfinal_answer([map(str, [1]), d.keys(), d.items(), range(2), zip("a", "b")])',
    [['1'], ['a'], [['a', 1]], [0, 1], [['a', 'b']]],
  ),
  tells(
    'an iterator without end',
    'import itertools\nfinal_answer(itertools.count())',
    /CODE_LIMIT|more than [\d,]+ characters/,
  ),
  ours('sets and tuples', 'final_answer({"s": {3, 1}, "t": (1, 2), "f": frozenset("b")})', {
    s: [1, 3],
    t: [1, 2],
    f: ['b'],
  }),
  ours(
    'decimals',
    'from decimal import Decimal as D\nfinal_answer([D("0.1"), D("10"), D("0.12345678901234567890"), D("12345678901234567890")])',
    [0.1, 10, '0.12345678901234567890', '12345678901234567890'],
  ),
  ours(
    'times, fractions, ids',
    'import datetime, fractions, uuid\nfinal_answer([datetime.datetime(2024, 1, 2, 3), datetime.timedelta(hours=1), fractions.Fraction(1, 3), uuid.UUID(int=1)])',
    ['2024-01-02T03:00:00', '1:00:00', '1/3', '00000000-0000-0000-0000-000000000001'],
  ),
  ours(
    'enums and data classes',
    'import enum, dataclasses\nclass C(enum.Enum):\n    RED = "red"\n@dataclasses.dataclass\nclass P:\n    x: int\n    tags: set\nfinal_answer([C.RED, P(2 ** 60, {1})])',
    ['red', { x: '1152921504606846976', tags: [1] }],
  ),
  ours(
    'counters and queues',
    'import collections\nfinal_answer([collections.Counter("aab"), collections.deque([1]), collections.defaultdict(list, {"a": [1]})])',
    [{ a: 2, b: 1 }, [1], { a: [1] }],
  ),
  ours(
    'an error as the answer',
    'try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    final_answer({"error": e})',
    { error: 'ZeroDivisionError: division by zero' },
  ),
  tells('a value that contains itself', 'a = []\na.append(a)\nfinal_answer(a)', /contains itself/),
  tells('bytes', 'final_answer({"raw": b"x"})', /not bytes: .*\.decode\(\)/),
  tells('an object', 'class P: pass\nfinal_answer(P())', /not an object of class P: .*vars\(x\)/),
  tells('a function', 'def total(): return 1\nfinal_answer(total)', /not the function 'total': call it/),
  tells(
    'a coroutine',
    'async def total(): return 1\nfinal_answer(total())',
    /not the coroutine 'total': .*await it/,
  ),
  tells('a call that was not awaited', 'final_answer(search.later("x"))', /not a call that was not awaited/),
  ours(
    'sets, dates and decimals as arguments',
    'import datetime, decimal\nfinal_answer(echo({"d": datetime.date(2024, 1, 2), "s": {1}, "n": decimal.Decimal("1.5")}))',
    {
      d: '2024-01-02',
      s: [1],
      n: 1.5,
    },
  ),
  tells('NaN as an argument', 'echo(float("nan"))', /can't be nan: .*None/),
] as const

const answers = [
  gives('by the keyword of the prompt', 'final_answer(value=5)', 5),
  ours('by another keyword', 'final_answer(answer="a")', 'a'),
  tells('two values', 'final_answer("text", 5)', /takes one value, final_answer\(value\)/),
  tells('keywords of its own', 'final_answer(total=1, mean=2)', /takes one value.*dict/),
  tells('none', 'final_answer()', /final_answer\(value\)/),
  ours('assigned, then called', ['final_answer = 6 * 7', 'final_answer(final_answer)'], 42),
  ours('assigned and called in one step', 'final_answer = 6 * 7\nfinal_answer(final_answer)', 42),
  ours(
    'assigned within a function',
    'def main():\n    global final_answer\n    final_answer = [1]\nmain()\nfinal_answer(final_answer)',
    [1],
  ),
  ours('defined by the model', 'def final_answer(x):\n    print(x)\nfinal_answer(3)', 3),
  ours('imported over', ['from math import floor as final_answer', 'final_answer(4)'], 4),
  ours('deleted', ['del final_answer', 'final_answer(4)'], 4),
  ours('in a loop variable', ['for final_answer in [1, 2]: pass', 'final_answer(final_answer)'], 2),
] as const

const tools = [
  gives('a result named as its tool', ['search = search("a")', 'final_answer(search["title"])'], 'about a'),
  ours(
    'the tool behind a result of its name',
    ['search = search("a")', 'final_answer(search("b")["title"])'],
    'about b',
  ),
  tells('a function named as a tool', 'def search(q): return 1', /search is a name of the sandbox/),
  ours(
    'the tool is back in the next step',
    ['def search(q): return 1', 'final_answer(search("b")["title"])'],
    'about b',
  ),
  gives('None for an optional argument', 'final_answer(search("a", limit=None)["title"])', 'about a'),
  ours('None where it is a value', 'final_answer([echo(None), echo(1, note=None)])', [null, 1]),
  tells('await of a plain call', 'await search("a")', /await search\.later\(…\).*parallel\(/),
  tells(
    'gather of plain calls',
    'import asyncio\nawait asyncio.gather(*(search(q) for q in "ab"))',
    /asyncio\.gather\(search\.later/,
  ),
  tells('a coroutine as the last value', 'async def main(): return 1\nmain()', /await main\(…\)/),
  tells(
    'a coroutine that is dropped',
    'async def main(): return 1\nx = main()\nx = 1',
    /never awaited; write: await main\(…\)/,
  ),
  gives(
    'a pool of threads',
    'from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor() as pool:\n    final = list(pool.map(search, ["a", "b"]))\nfinal_answer([f["title"] for f in final])',
    ['about a', 'about b'],
  ),
  gives(
    'futures as they are completed',
    'from concurrent.futures import ThreadPoolExecutor, as_completed\nwith ThreadPoolExecutor() as pool:\n    futures = [pool.submit(search, q) for q in "ab"]\n    found = [f.result()["title"] for f in as_completed(futures)]\nfinal_answer(sorted(found))',
    ['about a', 'about b'],
  ),
  gives(
    'threads of asyncio',
    'import asyncio\nasync def main():\n    return await asyncio.gather(*(asyncio.to_thread(search, q) for q in "ab"))\nfinal_answer([r["title"] for r in asyncio.run(main())])',
    ['about a', 'about b'],
  ),
  ours(
    'a loop that is closed',
    [
      'import asyncio\nloop = asyncio.get_event_loop()\nloop.run_until_complete(asyncio.sleep(0))\nloop.close()',
      'final_answer((await search.later("a"))["title"])',
    ],
    'about a',
  ),
  tells('a tool shown', 'print(search)', /search\(query, limit=5\): Finds pages/),
  tells('help of a tool', 'help(search)', /search\(query, limit=5\)\n {4}Finds pages/),
  tells('a failing tool is named once', 'search("fail")', /ToolError: search failed: no such page/),
] as const

const words = [
  tells('a package', 'import requests', /no network: use the tools.*can be imported: abc.*json.*zoneinfo/),
  tells('threads', 'import threading', /parallel\(f\.later/),
  tells('a module of the standard library', 'import glob', /can be imported: abc/),
  tells('arrays', 'import numpy as np', /statistics/),
  tells('the tools as a module', 'from tools import search', /already defined.*search\(query, limit=5\)/),
  tells('a tool as a module', 'import search', /already defined/),
  tells(
    'the network',
    'import urllib.request\nurllib.request.urlopen("https://example.com")',
    /no network here: use the tools/,
  ),
  tells('a tool that there is not', 'web_search("x")', /Tools: search\(query, limit=5\), echo/),
  tells('a misspelt name', 'serch("x")', /Did you mean:? '?search/),
  tells('a module that was not imported', 'json.dumps(1)', /import json|import 'json'/),
  tells('a shell', '!pip install x', /no shell and no notebook/),
  tells('a magic', 'x = 1\n%matplotlib inline', /no shell and no notebook/),
  tells('a question of a notebook', 'search?', /no shell and no notebook/),
  tells('return outside of a function', 'x = 1\nreturn x', / {4}return x\n[^]*final_answer\(value\)/),
  tells('a file', 'open("report.txt", "w")', /no files: keep it in a variable/),
  tells('a builtin hidden', ['sum = 3', 'sum([1])'], /`del sum` brings it back/),
  gives('exit at the end', ['import sys\nx = 1\nsys.exit(0)', 'final_answer(x)'], 1),
  ours('exit()', ['x = 1\nexit()', 'final_answer(x)'], 1),
  gives('a byte order mark', '\ufeffx = 1\nfinal_answer(x)', 1),
  tells(
    'the tail of many lines',
    'for i in range(20000): print("line", i)\nprint("total", 7)',
    /line 0\n[^]*left out[^]*line 19999\ntotal 7\n$/,
  ),
] as const

const poison = [
  ours('json.loads replaced', ['import json\njson.loads = lambda *a, **k: {}\nx = 3', 'final_answer(x)'], 3),
  ours('random.seed replaced', ['import random\nrandom.seed = 42', 'final_answer(1)'], 1),
  ours(
    'modules deleted',
    ['import sys\nsys.modules.clear()', 'import json, math\nfinal_answer(json.dumps(math.pi > 3))'],
    'true',
  ),
  ours('builtins deleted', ['__builtins__.len = None', 'final_answer(len("abc"))'], 3),
  ours('a low recursion limit', ['import sys\nsys.setrecursionlimit(60)\nx = 2', 'final_answer(x)'], 2),
  ours(
    'a trace function',
    ['import sys\ndef t(*a): raise ValueError("trace")\nsys.settrace(t)', 'final_answer(2)'],
    2,
  ),
  tells(
    'a hook that refuses every program',
    [
      'x = 1\nimport sys\ndef h(e, a):\n    if e == "compile": raise RuntimeError("no")\nsys.addaudithook(h)',
      'y = 1',
    ],
    /it was reset\. .*gone: x, sys, h\./,
  ),
  ours(
    'after it',
    [
      'x = 1\nimport sys\ndef h(e, a):\n    if e == "compile": raise RuntimeError("no")\nsys.addaudithook(h)',
      'y = 1',
      'final_answer("x" in globals())',
    ],
    false,
  ),
  tells('a reset that was asked for', ['x = 1', 'reset_session()'], /was reset\. .*gone: x\./),
  ours(
    'after the reset',
    ['x = 1', 'reset_session()', 'final_answer(["x" in globals(), search("a")["title"]])'],
    [false, 'about a'],
  ),
] as const

export const actions: readonly Action[] = [...numbers, ...values, ...answers, ...tools, ...words, ...poison]

const echoTool: ToolSignature = {
  name: 'echo',
  description: 'Gives its argument back.',
  input: {
    type: 'object',
    properties: { value: {}, note: { type: 'string' } },
    required: ['value'],
    additionalProperties: false,
  },
}

export function actionTests(subject: Subject): void {
  const executor = started(subject)

  async function outcomeOf({ steps }: Action) {
    const session = new TestSession(executor)
    session.tools = [searchTool, echoTool]
    let last = await session.step('None')
    for (const code of steps)
      last = await session.step(code, ({ name, arguments: args }) => {
        if (name === 'echo') return args['value'] ?? null
        if (args['query'] === 'fail') return new Error('search failed: no such page')
        return { title: `about ${String(args['query'])}` }
      })
    await executor.discard(session.id)
    return last
  }

  test('actions come to what they mean, or the model is told what to write instead', async (t) => {
    const wrong: string[] = []
    for (const one of actions) {
      const { isFinal, finalAnswer, value, prints, error } = await outcomeOf(one)
      try {
        if (one.told)
          assert.match(
            `${prints}${JSON.stringify(value)}${error?.traceback ?? ''}`.replace(/null$/, ''),
            one.told,
          )
        else assert.deepEqual([isFinal, finalAnswer], [true, one.answer], error?.traceback)
      } catch (failed) {
        wrong.push(`${one.name}: ${(failed as Error).message}`)
      }
    }
    t.diagnostic(`${actions.length - wrong.length} of ${actions.length} actions are right on ${subject.name}`)
    assert.deepEqual(wrong, [])
  })

  test('many calls at once are asked for in parts, in order, and a lost session goes on in the middle of them', async () => {
    const session = new TestSession(executor)
    const sizes: number[] = []
    const outcome = await session.step(
      'r = parallel(*[search.later(str(i)) for i in range(100)])\nfinal_answer(r == [str(i) for i in range(100)])',
      (call) => call.arguments['query'] ?? null,
      async ({ calls }) => {
        sizes.push(calls.length)
        if (sizes.length === 2) await executor.discard(session.id)
      },
    )
    assert.deepEqual([outcome.error, outcome.finalAnswer, sizes], [null, true, [32, 32, 32, 4]])
    assert.equal(session.asked.length, 100)
  })

  test('arguments that are more than the session keeps end the step before they are sent', async () => {
    const session = new TestSession(executor)
    session.limits = { ...session.limits, argumentChars: 50_000 }
    const { error } = await session.step('search("x" * 100_000)')
    assert.deepEqual([error?.code, session.asked.length], ['CODE_LIMIT', 0])
    session.limits = { ...session.limits, timeoutMs: 120_000 }
    assert.equal((await session.step('search("y")')).error, null)
  })
}
