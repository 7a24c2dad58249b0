import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findCode, withoutThinking } from '../../../services/planner/code-blocks.ts'

const F = '```'

test('many blank lines and many lines of code are read in no time', () => {
  const begunMs = performance.now()
  const blank = '\n'.repeat(200_000)
  assert.equal(findCode(`a${blank}b`), null)
  assert.equal(findCode(`${F}python\n${'x\n'.repeat(300_000)}${F}`)?.length, 599_999)
  // A regular expression took minutes for the first, and the stack was too small for the second.
  assert.ok(performance.now() - begunMs < 10_000)
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
  test(`code blocks: ${what}`, () => assert.equal(findCode(text), code))
}

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
  const from = performance.now()
  findCode(text)
  assert.ok(performance.now() - from < 1_000)
})
