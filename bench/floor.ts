// The floor: the same HTTP calls in a bare loop, without any framework. MODEL_URL names the scripted model.
import { measure } from './measure.ts'

const url = `${process.env['MODEL_URL']}/chat/completions`
const echo = {
  type: 'function',
  function: {
    name: 'echo',
    description: 'Echo',
    parameters: { type: 'object', properties: { text: { type: 'string' } } },
  },
}

interface Reply {
  choices: [
    { message: { content: string | null; tool_calls?: { id: string; function: { arguments: string } }[] } },
  ]
}

async function runTask(id: string): Promise<void> {
  const messages: unknown[] = [{ role: 'user', content: `task=${id} hi` }]
  for (;;) {
    const body = JSON.stringify({ model: 'conversations', messages, tools: [echo] })
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    const { message } = ((await response.json()) as Reply).choices[0]
    messages.push(message)
    if (!message.tool_calls?.length) {
      if (!message.content?.startsWith(`done ${id}`)) throw new Error(`unexpected answer: ${message.content}`)
      return
    }
    for (const {
      id: tool_call_id,
      function: { arguments: text },
    } of message.tool_calls)
      messages.push({ role: 'tool', tool_call_id, content: (JSON.parse(text) as { text: string }).text })
  }
}

console.log(JSON.stringify(await measure('floor: bare fetch loop', runTask)))
process.exit(0)
