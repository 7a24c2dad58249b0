import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from '../../../services/planner/call.ts'
import { portable } from '../../../services/planner/conversation/portable.ts'
import { truncated } from '../../../services/planner/prompts/replies.ts'

const opening: Message[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Go on.' },
]
const asks = (...calls: [name: string, args: string, id: string][]): Message => ({
  role: 'assistant',
  content: null,
  tool_calls: calls.map(([name, args, id]) => ({
    id,
    type: 'function',
    function: { name, arguments: args },
  })),
})
const answers = (id: string, content = 'seen'): Message => ({ role: 'tool', tool_call_id: id, content })
const sent = (messages: Message[], hasTools = true) => portable([...opening, ...messages], hasTools).slice(2)
const callsIn = (messages: Message[]) =>
  messages.flatMap((message) => (message.role === 'assistant' ? (message.tool_calls ?? []) : []))

test('ids are nine letters and digits, unique over turns, and pair with their answers', () => {
  const long = `toolu_${'a1.b2:'.repeat(20)}`
  const fit = sent([
    asks(['now', '{}', long], ['look', '{}', 'x']),
    answers('x', 'second'),
    answers(long, 'first'),
    asks(['now', '{}', 'x']),
    answers('x', 'third'),
  ])
  const ids = callsIn(fit).map(({ id }) => id)
  assert.deepEqual(ids, ['call00000', 'call00001', 'call00002'])
  assert.ok(ids.every((id) => /^[a-zA-Z0-9]{9}$/.test(id)))
  const told = fit.flatMap((message) =>
    message.role === 'tool' ? [[message.tool_call_id, message.content]] : [],
  )
  assert.deepEqual(told, [
    ['call00000', 'first'],
    ['call00001', 'second'],
    ['call00002', 'third'],
  ])
})

test('what was said before keeps its ids when the conversation goes on', () => {
  const before = [asks(['now', '{}', 'a']), answers('a')]
  assert.deepEqual(sent([...before, asks(['now', '{}', 'a']), answers('a')]).slice(0, 2), sent(before))
})

for (const [name, fit] of [
  ['look', 'look'],
  ['multi_tool_use.parallel', 'multi_tool_use_parallel'],
  ['functions.look', 'functions_look'],
  ['', 'unknown_tool'],
  ['x<|channel|>commentary', 'x_channel_commentary'],
  ['2nd', '_2nd'],
  ['wetter für Köln', 'wetter_f_r_K_ln'],
  ['l'.repeat(200), 'l'.repeat(64)],
] as const) {
  test(`the name ${JSON.stringify(name.slice(0, 30))} goes back as ${fit.slice(0, 30)}`, () => {
    assert.equal(callsIn(sent([asks([name, '{}', 'a']), answers('a')]))[0]?.function.name, fit)
  })
}

for (const [what, written, fit] of [
  ['an object, digits and all', '{"id":12345678901234567890}', '{"id":12345678901234567890}'],
  ['nothing', '', '{}'],
  ['cut off', '{"city":"Par', '{}'],
  ['a list', '["Paris"]', '{}'],
  ['null', 'null', '{}'],
  ['an object in a string', '"{\\"city\\":\\"Paris\\"}"', '{"city":"Paris"}'],
  ['half a pair, escaped', '{"a":"\\ud83d"}', '{"a":"\\ufffd"}'],
  ['a pair, escaped', '{"a":"\\ud83d\\ude00"}', '{"a":"\\ud83d\\ude00"}'],
  ['a backslash before what looks like one', '{"a":"\\\\ud83d"}', '{"a":"\\\\ud83d"}'],
  ['a NUL, escaped', '{"a":"\\u0000\\b\\n\\\\u0000"}', '{"a":"\\ufffd\\ufffd\\n\\\\u0000"}'],
  ['in a code fence', '```json\n{"id":12345678901234567890}\n```', '{"id":12345678901234567890}'],
  ['before a leaked mark', '{"a":1}</tool_call><|im_end|>', '{"a":1}'],
  ['broken over lines within a string', '{"a":"x\ny"}', '{"a":"x\\ny"}'],
  ['two values for one name', '{"a":1,"a":2}', '{}'],
  ['half a pair, plain', '{"a":"\ud83d"}', '{"a":"\ufffd"}'],
  ['too deep', `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, '{}'],
] as const) {
  test(`arguments that are ${what} go back as a JSON object`, () => {
    assert.equal(callsIn(sent([asks(['look', written, 'a']), answers('a')]))[0]?.function.arguments, fit)
  })
}

test('a user never speaks behind a tool, nor twice: the words are joined', () => {
  const fit = sent([asks(['now', '{}', 'a']), answers('a'), { role: 'user', content: 'last turn' }])
  assert.deepEqual(fit.at(-1), { role: 'tool', tool_call_id: 'call00000', content: 'seen\n\nlast turn' })
  assert.deepEqual(sent([{ role: 'user', content: 'more' }]), [])
  assert.equal(portable([...opening, { role: 'user', content: 'more' }], true)[1]?.content, 'Go on.\n\nmore')
})

test('every call is answered, and nothing is empty', () => {
  const fit = sent([
    asks(['now', '{}', 'a'], ['look', '{}', 'b']),
    answers('a', ' '),
    { role: 'assistant', content: '' },
  ])
  assert.deepEqual(
    fit.map(({ role, content }) => [role, content]),
    [
      ['assistant', null],
      ['tool', 'There is no result of this call.'],
      ['tool', 'There is no result of this call.'],
      ['assistant', '(no answer)'],
      ['user', 'Go on.'],
    ],
  )
})

test('the assistant never speaks last, nor twice', () => {
  const said = (content: string): Message => ({ role: 'assistant', content })
  assert.deepEqual(sent([said('One.'), said('Two.'), asks(['now', '{}', 'a'])]), [
    { ...asks(['now', '{}', 'call00000']), content: 'One.\n\nTwo.' },
    { role: 'tool', tool_call_id: 'call00000', content: 'There is no result of this call.' },
  ])
  assert.deepEqual(sent([said('One.')]).at(-1), { role: 'user', content: 'Go on.' })
})

test('no control character but tab and line ends goes out, wherever it stands', () => {
  const bad = 'a\u0000\u0007\u001b[1m\tb\r\nc\u000c'
  const good = 'a\ufffd\ufffd\ufffd[1m\tb\r\nc\u000c'
  assert.equal(portable([{ role: 'system', content: bad }], true)[0]?.content, good)
  assert.equal(sent([asks(['now', '{}', 'a']), answers('a', bad)]).at(-1)?.content, good)
  assert.deepEqual(sent([asks(['now', '{}', 'a']), answers('a')], false)[1]?.content, 'seen')
})

test('what a provider attached goes back without halves of characters', () => {
  const attached = {
    model: 'm',
    message: { reasoning_content: 'x\ud83d' },
    calls: [{ thought_signature: 'ab+/=' }],
  }
  const messages = [...opening, { ...asks(['now', '{}', 'a']), attached } as Message, answers('a')]
  const [said] = portable(messages, true, 'm').slice(2)
  assert.equal((said as unknown as Record<string, unknown>)['reasoning_content'], 'x\ufffd')
  assert.deepEqual(
    (callsIn([said as Message])[0] as unknown as Record<string, unknown>)['thought_signature'],
    'ab+/=',
  )
})

test('without tools, calls are told as text', () => {
  const fit = sent([asks(['now', '{}', 'a']), answers('a', 'no such tool')], false)
  assert.deepEqual(fit, [
    { role: 'assistant', content: '(called now)' },
    { role: 'user', content: 'no such tool' },
  ])
})

test('what is too long is cut at whole characters, at either end', () => {
  for (let shift = 0; shift < 4; shift++) {
    const cut = truncated('x'.repeat(shift) + '😀'.repeat(200), 101)
    assert.ok(cut.isWellFormed(), cut)
    assert.ok(cut.length < 101 + 80)
  }
})
