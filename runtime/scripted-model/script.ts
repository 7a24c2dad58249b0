// Answers of the scripted model. Every text says that it is scripted.
//
// In this order: a recorded conversation whose task occurs word for word in the latest message that has one; the bench
// conversation, for a task with a `task=<id>` marker (one call of `echo`, then `done <id>`); else which tasks it plays
// here, and how to connect a model.
import type { Conversation, Turn } from './conversations.ts'
import type { Exchange } from './exchange.ts'

const SCRIPTED_NOTE = 'Scripted model: this is a recorded conversation, no language model was asked.'

const NOT_RECORDED =
  'This is the scripted model: it only plays recorded conversations, and there is none for this task.'

const HOW_TO_CONNECT = [
  'For any other, connect a language model. Any one of these is enough:',
  '- OPENAI_API_KEY=<key> (with OPENAI_BASE_URL=<url> for any compatible service)',
  '- GROQ_API_KEY=<key>',
  '- ANTHROPIC_API_KEY=<key>',
  '- OLLAMA_HOST=127.0.0.1:11434 for Ollama, or LOCAL_BASE_URL=http://127.0.0.1:8080/v1 for llama.cpp, vLLM and the like',
].join('\n')

export type Script = (exchange: Exchange) => Turn | undefined

export function recordedScript(conversations: readonly Conversation[]): Script {
  return (exchange) => {
    // In a session the tasks of earlier turns stand before the one that is asked.
    for (const asked of exchange.asked) {
      const found = conversations.find(
        ({ mode, task }) => mode === exchange.mode && asked.text.includes(task),
      )
      if (found !== undefined) return playTurn(found, { ...exchange, ...asked })
    }
    return undefined
  }
}

function playTurn(conversation: Conversation, exchange: Exchange): Turn {
  const turn = conversation.turns[exchange.turn]
  if (turn === undefined)
    return final(exchange, `Scripted model: the recording "${conversation.title}" ends here.`)
  const missing = turn.needs?.find((text) => !exchange.observations.includes(text))
  if (missing !== undefined) {
    const reason = `the tools did not return ${JSON.stringify(missing)}, so the recording does not fit this run`
    return final(exchange, `Scripted model: cannot go on with "${conversation.title}": ${reason}.`)
  }
  return { ...turn, text: addNote(turn, exchange) }
}

/** Adds the note: as a comment if the text is code, else after the text. */
function addNote(turn: Turn, exchange: Exchange): string {
  const text = turn.text ?? ''
  if (exchange.mode === 'code' || (turn.toolCalls ?? []).length > 0) return `${SCRIPTED_NOTE}\n${text}`.trim()
  return `${text}\n\n(${SCRIPTED_NOTE})`.trim()
}

/** The conversation of benches and chaos tests. */
export const benchScript: Script = (exchange) => {
  const { taskMark, turn, mode, toolNames } = exchange
  if (taskMark === null) return undefined
  if (turn > 0) return final(exchange, `done ${taskMark}`)
  if (mode === 'code') return { text: python('x = echo(text="hi")\nprint(x)') }
  const name = toolNames.find((tool) => tool.includes('echo')) ?? 'echo'
  return { toolCalls: [{ name, arguments: { text: 'hi' } }] }
}

/** Answers every task: which ones it plays, with the tools that it has now, and how to connect a model. */
export function connectScript(conversations: readonly Conversation[]): (exchange: Exchange) => Turn {
  return (exchange) => {
    const playable = conversations.filter((each) => isPlayable(each, exchange)).map(({ task }) => `- ${task}`)
    const lines = playable.length === 0 ? [] : ['It plays these, word for word:', ...playable]
    return final(exchange, [NOT_RECORDED, ...lines, HOW_TO_CONNECT].join('\n'))
  }
}

/** Which tools a program calls is not seen from here: the bundled ones call those of every fleet. */
const isPlayable = ({ mode, turns }: Conversation, exchange: Exchange): boolean =>
  mode === exchange.mode &&
  turns.every(({ toolCalls = [] }) => toolCalls.every(({ name }) => exchange.toolNames.includes(name)))

/** An answer that ends the task, in the form that the mode wants. */
export function final({ mode }: Pick<Exchange, 'mode'>, text: string): Turn {
  // A JSON string is a Python string.
  return { text: mode === 'code' ? python(`final_answer(${JSON.stringify(text)})`) : text }
}

export function python(code: string): string {
  return `\`\`\`python\n${code}\n\`\`\``
}
