import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCode, withoutThinking } from '../../../services/planner/code/blocks.ts'
import { ownMs } from '../../support/own-time.ts'

const codeIn = (text: string): string | null => readCode(text)?.code ?? null

const F = '```'

test('many blank lines and many lines of code are read in no time', () => {
  const begunMs = ownMs()
  const blank = '\n'.repeat(200_000)
  assert.equal(codeIn(`a${blank}b`), null)
  assert.equal(codeIn(`${F}python\n${'x\n'.repeat(300_000)}${F}`)?.length, 599_999)
  // A regular expression took minutes for the first, and the stack was too small for the second.
  assert.ok(ownMs() - begunMs < 10_000)
})

const cases: [what: string, text: string, code: string | null][] = [
  [
    'one block with prose around',
    `I will add.\n${F}python\nx = 1\nprint(x)\n${F}\nThat is it.`,
    'x = 1\nprint(x)',
  ],
  ['py', `${F}py\nx\n${F}`, 'x'],
  ['capital letters', `${F}Python\nx\n${F}`, 'x'],
  ['no language', `${F}\nx = 1\n${F}`, 'x = 1'],
  ['tildes', `~~~python\nx\n~~~`, 'x'],
  ['a space before the language', `${F} python\nx\n${F}`, 'x'],
  ['windows line ends', `${F}python\r\nx = 1\r\n${F}\r\n`, 'x = 1'],
  [
    'several blocks are one program',
    `${F}python\nx = 1\n${F}\nthen\n${F}python\nprint(x)\n${F}`,
    'x = 1\n\nprint(x)',
  ],
  ['an imagined output is not code', `${F}python\nprint(1)\n${F}\nOutput:\n${F}\n1\n${F}`, 'print(1)'],
  ['another language is not code', `${F}json\n{"a": 1}\n${F}`, null],
  ['another language beside Python', `${F}bash\nls\n${F}\n${F}python\nx\n${F}`, 'x'],
  ['a block that is not closed', `Now:\n${F}python\nx = 1\nprint(x)`, 'x = 1\nprint(x)'],
  ['on one line', `${F}python print(1)${F}`, 'print(1)'],
  ['indented in a list', `1. do\n   ${F}python\n   if x:\n       y()\n   ${F}`, 'if x:\n    y()'],
  ['a fence within a longer fence', `${F}\`python\ns = """\n${F}\n"""\n${F}\``, `s = """\n${F}\n"""`],
  ['code tags', 'Thought\n<code>\nx = 1\n</code>', 'x = 1'],
  ['a code tag that is not closed', '<code>\nx = 1', 'x = 1'],
  ['a fence within code tags', `<code>\n${F}python\nx = 1\n${F}</code>`, 'x = 1'],
  ['the tag of Llama', 'Let me see.\n<|python_tag|>print(1)<|eom_id|>', 'print(1)'],
  ['execute tags', '<execute>\nx = 1\n</execute> and more', 'x = 1'],
  ['python tags', '<python>\nx = 1\n</python>', 'x = 1'],
  [
    'an observation that the model imagined in an open block',
    `${F}python\nprint(1)\nObservation:\n1`,
    'print(1)',
  ],
  ['end_code after the fence', `${F}py\nx\n${F}<end_code>`, 'x'],
  ['bare final_answer', 'final_answer(42)', 'final_answer(42)'],
  ['a final_answer in a sentence', 'I could call final_answer(42) now.', null],
  ['prose', 'The answer is 42.', null],
  ['an empty block', `${F}python\n\n${F}`, null],
  ['nothing', '', null],
  [
    'code while thinking is no code',
    `<think>${F}python\ndraft()\n${F}</think>\n${F}python\nreal()\n${F}`,
    'real()',
  ],
]

for (const [what, text, code] of cases) {
  test(`code blocks: ${what}`, () => assert.equal(codeIn(text), code))
}

/** Where Python's own grammar decides, or the model went on by itself. */
const grammar: [text: string, code: string | null][] = [
  [
    `${F}python\nreport = """# Title\n${F}\nx = 1\n${F}\n"""\nfinal_answer(report)\n${F}`,
    `report = """# Title\n${F}\nx = 1\n${F}\n"""\nfinal_answer(report)`,
  ],
  [`${F}python\ns = "a </think> b"\nfinal_answer(s)\n${F}`, 's = "a </think> b"\nfinal_answer(s)'],
  [
    `Thought: the rows look so:\n${F}\nregion | the sum\nNorth | 5\n${F}\nCode:\n${F}\nfinal_answer("right")\n${F}<end_code>`,
    'final_answer("right")',
  ],
  [`${F}python\nfinal_answer("right")\n${F} and that is all.\nMore prose.`, 'final_answer("right")'],
  [`Thought: go\n${F}python\nfinal_answer("right")\n</code>`, 'final_answer("right")'],
  [`Thought: go\n${F}python\nfinal_answer("right")\n</code`, 'final_answer("right")'],
  [`<code>\nfinal_answer("right")\n</code`, 'final_answer("right")'],
  [`${F}python\nx = f(1)\n${F}\nObservation: 10.0\n${F}python\nfinal_answer(10.0)\n${F}`, 'x = f(1)'],
  [
    `${F}python\nx = f(1)\n${F}\n**Output:**\n${F}\n10\n${F}\nNow:\n${F}python\nfinal_answer(10.0)\n${F}`,
    'x = f(1)',
  ],
  [
    `${F}python\nx: int = 1\nresult: float = 3.0\nfinal_answer(result)\n${F}`,
    'x: int = 1\nresult: float = 3.0\nfinal_answer(result)',
  ],
  [`~~~python\ns = """\n~~~\n"""\nfinal_answer(s)\n~~~`, `s = """\n~~~\n"""\nfinal_answer(s)`],
  [`${F}python\nx = 1\n${F}python\ny = 2\n${F}`, 'x = 1\n\ny = 2'],
  [
    `${F}python\nx = '''it's\n${F}js\nfoo\n${F}\n'''\nprint("it's")\n${F}\nend`,
    `x = '''it's\n${F}js\nfoo\n${F}\n'''\nprint("it's")`,
  ],
  [`${F}python\ntext = """unclosed\nfinal_answer(1)\n${F}\nbye`, `text = """unclosed\nfinal_answer(1)`],
  [`${F}python\nprint('it's)\n${F}\nok`, `print('it's)`],
  [`Let me compute.\nx = 1\nfinal_answer(x)`, 'x = 1\nfinal_answer(x)'],
  [`x = get("a")\nprint(x)`, 'x = get("a")\nprint(x)'],
  [`The result is f(x) = 3 apples`, null],
  [`sin(x) is fine`, null],
  [`Paris`, null],
  [
    `final_answer({\n "a": 1,\n "b": [2,\n3]})\nThat is my answer.`,
    'final_answer({\n "a": 1,\n "b": [2,\n3]})',
  ],
  [`${F}python\nfinal_answer(1)${F}`, 'final_answer(1)'],
  [
    `- do\n  ${F}python\n  s = """\na\n  b"""\n  if s:\n      f()\n  ${F}`,
    's = """\na\nb"""\nif s:\n    f()',
  ],
  [`> ${F}python\n> x = 1\n> ${F}`, 'x = 1'],
  [`${F}python title="x.py"\nx = 1\n${F}`, 'x = 1'],
  [`${F}{python}\nx = 1\n${F}`, 'x = 1'],
  [`${F}python x = 1\nprint(x)\n${F}`, 'x = 1\nprint(x)'],
  [`${F}Python\nd = {"a": "${F}"}\nfinal_answer(d)\n${F}`, `d = {"a": "${F}"}\nfinal_answer(d)`],
  [`${F}python\n# note: ${F} is a fence\nfinal_answer(2)\n${F}`, `# note: ${F} is a fence\nfinal_answer(2)`],
  [`${F}\nThe total is 42\n${F}`, null],
  [`${F}\nfor i in range(3)\n    print(i)\n${F}`, 'for i in range(3)\n    print(i)'],
  [`<think>don't ${F}python\nx = '''\n${F}</think>\n${F}python\nreal()\n${F}`, 'real()'],
  [`draft ${F}python\nx = 1\n${F}\n</think>\n${F}python\nreal()\n${F}`, 'real()'],
  [`draft\n${F}python\nx = 1\n${F}\n</think>\n${F}python\nreal()\n${F}`, 'real()'],
  [`Use <code>x</code> here.\n${F}python\nreal()\n${F}`, 'real()'],
  [`Code:<code>real()</code>`, 'real()'],
  [
    `${F}python\nmatch x:\n    case [1, y]:\n        print(y)\n${F}`,
    'match x:\n    case [1, y]:\n        print(y)',
  ],
  [
    `${F}\nmatch x:\n    case [1, y]:\n        print(f"{y!r:>10}" 'a')\n${F}`,
    `match x:\n    case [1, y]:\n        print(f"{y!r:>10}" 'a')`,
  ],
  [
    `${F}\nx = lambda a: a\nd = {**x, 'k': 1_000}\nprint(x if d else y, 0x1f, 1e-5, 2j, a @ b, a != b, ~c, -1, *d, not a)\n${F}`,
    "x = lambda a: a\nd = {**x, 'k': 1_000}\nprint(x if d else y, 0x1f, 1e-5, 2j, a @ b, a != b, ~c, -1, *d, not a)",
  ],
  [`${F}py\nprint(1)\n${F}\nExecution logs:\n1\n${F}py\nfinal_answer(1)\n${F}`, 'print(1)'],
  [`${F}python\nprint(1)\nObservation: 1\nfinal_answer(1)\n${F}`, 'print(1)'],
  [`${F}python\nprint(1)\n<observation>1</observation>\n${F}python\nfinal_answer(1)\n${F}`, 'print(1)'],
  [`${F}python\nprint(1)\n${F}\n<|im_end|>\n<|im_start|>user\nObservation: 1`, 'print(1)'],
  [
    `${F}python\ndef f():\n    """Doc with ${F}\n    code\n    ${F}\n    """\n    return 1\nfinal_answer(f())\n${F}\nDone`,
    `def f():\n    """Doc with ${F}\n    code\n    ${F}\n    """\n    return 1\nfinal_answer(f())`,
  ],
  [`${F}python\nx = 1\n\`\`\`\`\nok`, 'x = 1'],
  [`${F}markdown\n# Title\n${F}python\nx=1\n${F}\n${F}`, null],
]

const two = (between: string) => `${F}python\nprint(f(1))\n${F}${between}\n${F}python\nfinal_answer(10)\n${F}`
/** What models write in place of waiting for the output. */
const imagined = [
  '\n\nOut[1]: 10\n',
  `\n\n${F}output\n10\n${F}\n`,
  `\n\n${F}text\n10\n${F}\n`,
  '\n\nUser: 10\n\nAssistant:',
  '\n\n**Human:** it printed 10',
  '<|im_end|>\n<|im_start|>user\n10<|im_end|>\n<|im_start|>assistant',
  '<|eot_id|><|start_header_id|>user<|end_header_id|>\n10',
  '\n[INST] 10 [/INST]',
  '<end_of_turn>\n<start_of_turn>user\n10',
  '\nExecution result:\n10',
  '\nExpected output: 10',
  '\nObservation 1: 10',
  '\nResult of the search: 10',
]
for (const between of imagined) {
  test(`imagined behind code: ${JSON.stringify(between)}`, () => {
    const found = readCode(two(between))
    assert.deepEqual([found?.code, found?.imagined], ['print(f(1))', true])
  })
}

test('a mark of the end of the turn is no imagined observation, nor are words between two blocks', () => {
  assert.equal(readCode(`${F}python\nx\n${F}<|im_end|>`)?.imagined, false)
  assert.equal(
    readCode(two('\nThat prints it. Output format: plain.'))?.code,
    'print(f(1))\n\nfinal_answer(10)',
  )
})

const shapes: [text: string, code: string | null][] = [
  [
    `${F}pycon\n>>> x = 1\n>>> for i in y:\n...     print(i)\n...\n0\n>>> x\n1\n${F}`,
    'x = 1\nfor i in y:\n    print(i)\n\nx',
  ],
  [`${F}python\nIn [1]: x = 1\n\nIn [2]: x\nOut[2]: 1\n${F}`, 'x = 1\nx'],
  [`Sure!${F}python\nx = 1\n${F}`, 'x = 1'],
  [`${F}python:main.py\nx = 1\n${F}`, 'x = 1'],
  [`${F}python3.12\nx = 1\n${F}`, 'x = 1'],
  [`${F}Python code\nx = 1\n${F}`, 'x = 1'],
  [`${F}code\nx = 1\n${F}`, 'x = 1'],
  ['<tool_code>\nx = f()\n</tool_code>', 'x = f()'],
  ['<code language="python">\nx = f()\n</code>', 'x = f()'],
  ['<pre><code class="python">\nx = f()\n</code></pre>', 'x = f()'],
  ['<execute_ipython>\nx = f()\n</execute_ipython>', 'x = f()'],
  ['[PYTHON]\nx = f()\n[/PYTHON]\nDone.', 'x = f()'],
  [`${F}python\rx = 1\rprint(x)\r${F}`, 'x = 1\nprint(x)'],
  ['Thought: done\nAction: final_answer(42)', 'final_answer(42)'],
  ['`final_answer(42)`', 'final_answer(42)'],
  ['I could call `final_answer(42)` now.', null],
  ['{"name": "python", "arguments": {"code": "x = 1\\nprint(x)"}}', 'x = 1\nprint(x)'],
  ['<tool_call>{"name": "code_interpreter", "arguments": "{\\"code\\": \\"f()\\"}"}</tool_call>', 'f()'],
  ['{"tool": "run_python", "code": "f()"}', 'f()'],
  ['{"name": "other", "arguments": {"code": "f()"}}', null],
  ['<|channel|>commentary to=python code<|message|>f()<|call|>', 'f()'],
  [`[THINK]hm ${F}python\ndraft()\n${F}[/THINK]${F}python\nreal()\n${F}`, 'real()'],
  [`◁think▷${F}python\ndraft()\n${F}◁/think▷\n${F}python\nreal()\n${F}`, 'real()'],
]
for (const [text, code] of shapes) {
  test(`code in the shape of ${JSON.stringify(text).slice(0, 70)}`, () => assert.equal(codeIn(text), code))
}

for (const [text, code] of grammar) {
  test(`code by grammar: ${JSON.stringify(text).slice(0, 70)}`, () => assert.equal(codeIn(text), code))
}

test('an observation that the model imagined is not kept as its own words', () => {
  const text = `First.\n${F}python\nx = f(1)\n${F}\nObservation: 10\n${F}python\nfinal_answer(10)\n${F}`
  const said = text.slice(0, text.indexOf('\nObs'))
  assert.deepEqual(readCode(text), { code: 'x = f(1)', said, imagined: true })
  assert.equal(readCode(`${F}python\nx\n${F}\nThat is it.`)?.imagined, false)
})

test('hostile answers of quotes, fences and brackets are read quickly', () => {
  const parts = [
    '"""\n',
    `${F}python\n"""\n`,
    "'",
    '([{',
    '<code></code>',
    '</think>x',
    ' \t',
    'final_answer(\n',
  ]
  const begunMs = ownMs()
  for (const part of [...parts, `${F}\n'''\n${F}\n`]) codeIn(part.repeat(30_000))
  assert.ok(ownMs() - begunMs < 20_000)
})

test('thinking is removed, also without its opening tag', () => {
  assert.equal(withoutThinking('<think>a\nb</think> 42'), '42')
  assert.equal(withoutThinking('a\nb</think>\n42'), '42')
  assert.equal(withoutThinking('a <think>b</think>c<thinking>d</thinking>e'), 'a ce')
  assert.equal(withoutThinking('<think>cut off'), '')
  assert.equal(withoutThinking('<reasoning>a</reasoning>b<thought>c</thought>'), 'b')
  assert.equal(withoutThinking(' plain '), 'plain')
})

test('a long answer of open fences and tags is read quickly', () => {
  const text = `${'<code>'.repeat(20_000)}${'<think>'.repeat(20_000)}${'```\n'.repeat(20_000)}`
  const from = ownMs()
  codeIn(text)
  assert.ok(ownMs() - from < 1_000)
})
