// A model's Python that gets hold of the channel and writes frames of its own: the step ends, and the host is not kept busy.
import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { after, test } from 'node:test'
import { createNative } from './native.ts'
import { TestSession } from './suite/session.ts'

const channel = `
import json
modules = __import__('collections')._sys.modules
h, os = modules['sandbox_host'], modules['os']
def frame(text): return len(text).to_bytes(4, 'little') + text
`
const deep = (depth: number) => `'[' * ${depth} + ']' * ${depth}`
const finished = (value: string) =>
  `'{"t":"finished","dropped":0,"result":{"value":' + ${value} + ',"final":false,"answer":null,"error":null}}'`

const forged: readonly [what: string, code: string, ends: RegExp][] = [
  [
    'a frame of 230,000 calls',
    `h.send('{"t":"calls","calls":[' + ','.join(['{"name":"search","arguments":{}}'] * 230_000) + ']}')\nh.receive()`,
    /a frame of 230000 calls/,
  ],
  [
    'more calls than a step may make, again and again',
    `while True:\n    h.send('{"t":"calls","calls":[' + ','.join(['{"name":"search","arguments":{}}'] * 9_000) + ']}')\n    h.receive()`,
    /a step may make \d+ tool calls/,
  ],
  [
    'a million empty frames',
    `b = frame(b'{"t":"out","text":""}') * 2_000\nfor i in range(500): os.write(h.CHANNEL.sink, b)`,
    /a flood of frames/,
  ],
  [
    'a value nested 3,000,000 deep',
    `h.send(${finished(deep(3_000_000))})\nh.receive()`,
    /nested more than 1000 deep/,
  ],
  [
    'arguments nested 6,000 deep',
    `h.send('{"t":"calls","calls":[{"name":"search","arguments":{"a":' + ${deep(6_000)} + '}}]}')\nh.receive()`,
    /nested more than 1000 deep/,
  ],
]

const executor = createNative({})
after(() => executor.close())

for (const [what, code, ends] of forged)
  test(what, async () => {
    const session = new TestSession(executor)
    const lag = monitorEventLoopDelay({ resolution: 10 })
    lag.enable()
    const { error } = await session.step(channel + code, () => null)
    lag.disable()
    assert.match(error?.message ?? 'no error', ends)
    // Each took the host seconds.
    assert.ok(lag.max / 1e6 < 3_000, `${Math.round(lag.max / 1e6)} ms`)
    assert.equal((await session.step('1 + 1')).value, 2)
    await executor.discard(session.id)
  })

test('a flood of prints between tool calls ends the step after the first', async () => {
  const session = new TestSession(executor)
  const flood = `b = frame(b'{"t":"out","text":"' + b'x' * 1_000_000 + b'"}')
while True:
    for i in range(20): os.write(h.CHANNEL.sink, b)
    search("more")`
  const { error, prints } = await session.step(channel + flood, () => null)
  assert.match(error?.message ?? 'none', /a flood of frames/)
  assert.ok(session.asked.length <= 1 && prints.length <= 20_000, `${session.asked.length} calls`)
  await executor.discard(session.id)
})

test('a second end of a step is not the answer to the next one', async () => {
  const session = new TestSession(executor)
  const both = `frame((${finished("'1'")}).encode()) + frame((${finished("'2'")}).encode())`
  await session.step(`${channel}os.write(h.CHANNEL.sink, ${both})\nwhile True: pass`)
  const { error, value } = await session.step('"own"')
  assert.match(error?.message ?? `none, ${JSON.stringify(value)}`, /frames that were not asked for/)
  assert.equal((await session.step('1 + 1')).value, 2)
  await executor.discard(session.id)
})

test('a forged __proto__ is passed on as data, which the caller of the tool refuses', async () => {
  const session = new TestSession(executor)
  const call = `h.send('{"t":"calls","calls":[{"name":"search","arguments":{"__proto__":{"polluted":1},"query":"a"}}]}')\nh.receive()\n1`
  await session.step(channel + call, () => null)
  const [asked] = session.asked
  assert.equal(JSON.stringify(asked?.arguments), '{"__proto__":{"polluted":1},"query":"a"}')
  assert.equal(Object.getPrototypeOf(asked?.arguments), Object.prototype)
  await executor.discard(session.id)
})
