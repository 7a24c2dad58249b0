// Lines that a client writes on stdin: what the protocol's package gets of them, and what is answered for it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StdioLines } from '../../../../services/gateway/mcp/stdio-lines.ts'

type Message = { id?: unknown; error?: { code: number; message: string } }

/** What comes of these bytes, given in pieces of `size`. */
async function linesOf(bytes: string | Buffer, size = 1_000) {
  const answered: Message[] = []
  const reported: string[] = []
  const lines = new StdioLines({
    answer: (message) => void answered.push(message),
    report: ({ message }) => void reported.push(message),
  })
  const passed: Buffer[] = []
  lines.on('data', (chunk: Buffer) => void passed.push(chunk))
  const failed = new Promise<Error | null>((resolve) => {
    lines.once('error', resolve)
    lines.once('end', () => resolve(null))
  })
  const given = Buffer.from(bytes)
  for (let at = 0; at < given.length && !lines.destroyed; at += size)
    lines.write(given.subarray(at, at + size))
  lines.end()
  const error = await failed
  const messages = Buffer.concat(passed).toString().split('\n').filter(Boolean)
  return { answered, reported, passed: messages.map((line) => JSON.parse(line) as Message), error }
}

const ping = (id: unknown, more: object = {}) => ({ jsonrpc: '2.0', id, method: 'ping', ...more })
const lines = (...messages: unknown[]) => messages.map((each) => `${JSON.stringify(each)}\n`).join('')

test('messages pass, in pieces of any size', async () => {
  for (const size of [1, 7, 1_000]) {
    const { passed, answered } = await linesOf(
      `\uFEFF${lines(ping(1), ping('é'))}\r\n\n${lines(ping(3))}`,
      size,
    )
    assert.deepEqual([passed, answered], [[ping(1), ping('é'), ping(3)], []])
  }
})

test('digits are kept', async () => {
  const { passed } = await linesOf(
    '{"jsonrpc":"2.0","id":1,"method":"x","params":{"order":12345678901234567890}}\n',
  )
  assert.deepEqual(passed, [
    { jsonrpc: '2.0', id: 1, method: 'x', params: { order: '12345678901234567890' } },
  ])
})

const deep = `${'['.repeat(300)}${']'.repeat(300)}`
const refused: readonly (readonly [name: string, line: string | Buffer, said: RegExp])[] = [
  ['parameters that are none', lines(ping(1, { params: [1] })), /no message of JSON-RPC/],
  ['a method that is none', lines({ jsonrpc: '2.0', id: 1, method: 7 }), /no message of JSON-RPC/],
  ['another version', lines({ jsonrpc: '1.0', id: 1, method: 'ping' }), /no message of JSON-RPC/],
  ['nothing but an id', lines({ jsonrpc: '2.0', id: 1 }), /no message of JSON-RPC/],
  ['a batch', lines([ping(1)]), /one by one/],
  ['a name twice', '{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1,"a":2}}\n', /gives a twice/],
  ['depth', `{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":${deep}}}\n`, /more than 200 levels/],
  ['length', lines(ping(1, { params: { a: 'x'.repeat(1_000_000) } })), /longer than 1,000,000 bytes/],
  ['Latin-1', Buffer.from(lines(ping(1, { params: { a: 'é' } })), 'latin1'), /not UTF-8/],
]
for (const [name, line, said] of refused)
  test(`a request that can't be taken is answered: ${name}`, async () => {
    const { passed, answered, reported } = await linesOf(
      Buffer.concat([Buffer.from(line), Buffer.from(lines(ping(2)))]),
    )
    assert.deepEqual(passed, [ping(2)])
    assert.deepEqual(
      answered.map(({ id }) => id),
      [1],
    )
    assert.equal(answered[0]?.error?.code, -32_600)
    assert.match(answered[0]?.error?.message ?? '', said)
    assert.deepEqual(reported, [])
  })

test('an answer that can’t be taken is an error to the request that waits for it', async () => {
  const { passed, answered } = await linesOf(lines({ jsonrpc: '2.0', id: 5, result: null }))
  assert.deepEqual([passed.map(({ id, error }) => [id, error?.code]), answered], [[[5, -32_600]], []])
})

test('what says no id is reported, and answered by nobody', async () => {
  const { passed, answered, reported } = await linesOf(
    `no JSON\n${lines({ jsonrpc: '2.0' }, ping(null), ping({}), 7)}`,
  )
  assert.deepEqual([passed, answered, reported.length], [[], [], 5])
})

test('a line without an end ends the connection; half a line at the end is no message', async () => {
  const { error } = await linesOf('x'.repeat(10_000_001), 100_000)
  assert.match(error?.message ?? '', /a line has more than 10000000 bytes/)
  assert.deepEqual((await linesOf('{"jsonrpc":"2.0","id":1,')).passed, [])
})
