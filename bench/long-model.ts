// A model server for tasks of many steps: it asks for one tool call after the other, and gives the answer after
// as many as the task's text says. A request without tools is answered with notes. Run by long.ts as a process of its own, so that its
// time is not counted.
import { createServer } from 'node:http'

const counts = new Map<string, number>()
/** What an agent writes in a step, besides the call. */
const THOUGHT = 'The next record is needed, so it is looked up. '.repeat(4)

const taskIn = (body: string): string => /task=([\w-]+)/.exec(body)?.[1] ?? ''

function messageFor(body: string): object {
  const task = taskIn(body)
  if (!body.includes('"tools"')) return { role: 'assistant', content: `Notes: ${THOUGHT.repeat(4)}` }
  const steps = Number(/steps=(\d+)/.exec(body)?.[1] ?? 1)
  const done = counts.get(task) ?? 0
  counts.set(task, done + 1)
  if (done >= steps) return { role: 'assistant', content: 'done' }
  const call = { name: 'lookup', arguments: JSON.stringify({ record: done + 1 }) }
  return {
    role: 'assistant',
    content: THOUGHT,
    tool_calls: [{ id: `call_${done + 1}`, type: 'function', function: call }],
  }
}

const server = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const body = Buffer.concat(parts).toString()
    const message = messageFor(body)
    const finish = 'tool_calls' in message ? 'tool_calls' : 'stop'
    const usage = { prompt_tokens: Math.ceil(body.length / 4), completion_tokens: 60 }
    const answer = {
      id: 'x',
      object: 'chat.completion',
      created: 0,
      model: 'long',
      choices: [{ index: 0, message, finish_reason: finish }],
      usage: { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens },
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  console.log(JSON.stringify({ url: `http://127.0.0.1:${address.port}/v1` }))
})
