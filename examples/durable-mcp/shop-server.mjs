// An MCP server on stdio, by hand: orders of a shop, and refunds. Each refund that it makes is a line of a file.
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const orders = [
  { id: 'A-1001', status: 'delayed', amount: 120 },
  { id: 'A-1002', status: 'delivered', amount: 80 },
  { id: 'A-1003', status: 'delayed', amount: 45 },
  { id: 'A-1004', status: 'delayed', amount: 230 },
]

const tools = [
  {
    name: 'list_orders',
    description: 'Lists the orders with a status.',
    inputSchema: { type: 'object', properties: { status: { type: 'string' } }, required: ['status'] },
    annotations: { readOnlyHint: true },
    run: ({ status }) => ({ orders: orders.filter((order) => order.status === status) }),
  },
  {
    name: 'refund',
    description: 'Pays the amount of an order back.',
    inputSchema: {
      type: 'object',
      properties: { order: { type: 'string' }, amount: { type: 'number' } },
      required: ['order', 'amount'],
    },
    annotations: { destructiveHint: true },
    run: ({ order, amount }) => {
      appendFileSync(process.env.REFUNDS, `${order} ${amount}\n`)
      return { receipt: `R-${order}` }
    },
  },
]

const methods = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'shop', version: '1.0.0' },
  }),
  ping: () => ({}),
  'tools/list': () => ({ tools: tools.map(({ run, ...tool }) => tool) }),
  'tools/call': ({ name, arguments: given }) => {
    const structuredContent = tools.find((tool) => tool.name === name).run(given)
    return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent }
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line)
  if (id === undefined) continue
  const known = Object.hasOwn(methods, method)
  const answer = known
    ? { result: methods[method](params ?? {}) }
    : { error: { code: -32601, message: 'Method not found' } }
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...answer })}\n`)
}
