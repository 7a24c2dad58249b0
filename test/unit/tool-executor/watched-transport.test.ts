// What the transport of MCP servers makes of messages that can't be read. The transport below it is one of the test's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJSONRPCMessage, type JSONRPCMessage, type Transport } from '@modelcontextprotocol/client'
import { WatchedTransport } from '../../../services/tool-executor/tools/mcp/watched-transport.ts'
import { WrongAnswer } from '../../../services/tool-executor/tools/mcp/wrong-answer.ts'

class Wire implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage) => void
  readonly start = async (): Promise<void> => {}
  readonly close = async (): Promise<void> => {}
  fails = false
  send = async (): Promise<void> => {
    if (this.fails) throw new Error('down')
  }

  /** As the package's transports read it. */
  receive(message: unknown): void {
    try {
      this.onmessage?.(parseJSONRPCMessage(message))
    } catch (error) {
      this.onerror?.(error as Error)
    }
  }
}

async function watched(...ids: number[]) {
  const wire = new Wire()
  const transport = new WatchedTransport(wire)
  const heard: { id?: unknown; error?: unknown; result?: unknown }[] = []
  transport.onmessage = (message) => void heard.push(message as (typeof heard)[number])
  await transport.start()
  const ask = (id: number, signal?: AbortSignal) =>
    transport.send({ jsonrpc: '2.0', id, method: 'tools/call' }, { ...(signal && { requestSignal: signal }) })
  for (const id of ids) await ask(id)
  return { wire, transport, heard, ask }
}
const nothing = (id: number) => ({ jsonrpc: '2.0', id, result: null })

test('an answer without a result ends the request that waits', async () => {
  const { wire, transport, heard } = await watched(1)
  wire.receive(nothing(1))
  assert.deepEqual(
    heard.map(({ id, error }) => [id, error !== undefined]),
    [[1, true]],
  )
  assert.ok(transport.problem instanceof WrongAnswer)
})

test('what is no answer ends nothing: a line of a log, a message of another protocol', async () => {
  const { wire, transport, heard } = await watched(1)
  for (const line of [{ level: 'info' }, 7, null, { jsonrpc: '1.0', id: 1, result: null }, { id: 1 }])
    wire.receive(line)
  assert.deepEqual(heard, [])
  assert.ok(transport.problem !== null && !(transport.problem instanceof WrongAnswer))
})

test('of several requests none is ended, because the answer may be of any', async () => {
  const { wire, heard } = await watched(1, 2)
  wire.receive(nothing(1))
  assert.deepEqual(heard, [])
  wire.receive({ jsonrpc: '2.0', id: 2, result: {} })
  assert.deepEqual(
    heard.map(({ id }) => id),
    [2],
  )
})

test('a request that was given up, or that never left, waits no longer', async () => {
  const { wire, transport, heard, ask } = await watched(1)
  await transport.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } })
  const left = new AbortController()
  await ask(2, left.signal)
  left.abort()
  wire.fails = true
  await assert.rejects(ask(3))
  wire.fails = false
  await ask(4)
  wire.receive(nothing(4))
  assert.deepEqual(
    heard.map(({ id }) => id),
    [4],
  )
})

test('a wrong answer is no excuse for what goes wrong later', async () => {
  const { wire, transport, ask } = await watched(1)
  wire.receive(nothing(1))
  await ask(2)
  assert.equal(transport.problem, null)
})
