// Python loops over the tools of an MCP server, and each refund waits for a person. In the middle of the loop the whole
// fleet is killed with SIGKILL and started again. The loop goes on where it was, and every refund is made once.
//
//   node examples/durable-mcp/main.ts
//
// No key is needed: the model's answer is scripted.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { HttpClient } from '../../client/http/client.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'

const TASK = 'Refund every delayed order.'

const python = `
receipts = []
for order in shop_list_orders(status="delayed")["orders"]:
    receipts.append(shop_refund(order=order["id"], amount=order["amount"])["receipt"])
final_answer(receipts)
`

const folder = mkdtempSync(join(tmpdir(), 'flotilla-durable-mcp-'))
const refunds = join(folder, 'refunds')
writeFileSync(refunds, '')
const turns = [{ text: `\`\`\`python${python}\`\`\`` }]
const conversations = [{ title: 'refunds', task: TASK, mode: 'code' as const, turns }]
const model = await startScriptedModel({ conversations })
const port = await freePort()
const url = `http://127.0.0.1:${port}`

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: free } = server.address() as AddressInfo
  server.close()
  return free
}

async function startFleet(): Promise<ChildProcess> {
  const env = {
    ...process.env,
    FLOTILLA_CONFIG: join(import.meta.dirname, 'flotilla.config.ts'),
    FLOTILLA_DATA: join(folder, 'data'),
    FLOTILLA_MCP_LOCK: join(folder, 'flotilla.mcp-lock.json'),
    FLOTILLA_SCRIPTED_URL: model.url,
    REFUNDS: refunds,
    LOG_LEVEL: 'error',
    PORT: String(port),
  }
  const command = join(import.meta.dirname, '../../cli/main.ts')
  const child = spawn(process.execPath, [command, 'start'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`the fleet ended with ${child.exitCode}`)
    await delay(100)
  }
  console.log(`the fleet runs, process ${child.pid}`)
  return child
}

const isReady = (): Promise<boolean> =>
  fetch(`${url}/ready`).then(
    ({ ok }) => ok,
    () => false,
  )

async function end(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

let fleet = await startFleet()
// Whatever ends this program ends the fleet.
process.once('exit', () => fleet.kill('SIGKILL'))
process.once('SIGTERM', () => process.exit(1))
process.once('SIGINT', () => process.exit(1))
const client = new HttpClient(url)
const { taskId } = await client.submit({ text: TASK })
console.log(`\n${TASK}${python}`)

let approvals = 0
for await (const event of client.events(taskId)) {
  if (event.type === 'result') {
    console.log(`result: ${event.result.status}, ${JSON.stringify(event.result.output)}`)
    break
  }
  if (event.type !== 'approval.requested') continue
  console.log(`${event.tool}(${JSON.stringify(event.arguments)}) waits for a person`)
  if (++approvals === 2) {
    console.log(`kill -9 ${fleet.pid}, in the middle of the loop`)
    await end(fleet, 'SIGKILL')
    fleet = await startFleet()
  }
  await client.approve({ taskId, callId: event.callId, approved: true, decidedBy: 'ann' })
  console.log('  approved')
}

const made = readFileSync(refunds, 'utf8').trim().split('\n')
console.log(`refunds that the server made: ${made.join(', ')}`)
await client.close()
await end(fleet, 'SIGTERM')
await model.stop()
rmSync(folder, { recursive: true, force: true })
process.exit(new Set(made).size === made.length && made.length === approvals ? 0 : 1)
