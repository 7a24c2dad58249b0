// Reads a model request for the scripted model: the task, the turn, the mode, and the markers in the task's
// text.
import { z } from 'zod'

const content = z
  .union([z.string(), z.array(z.looseObject({ text: z.string().optional() })), z.null()])
  .optional()

export const chatRequest = z.looseObject({
  model: z.string().default('scripted'),
  messages: z.array(z.looseObject({ role: z.string(), content })).min(1),
  tools: z.array(z.looseObject({ function: z.looseObject({ name: z.string() }) })).optional(),
  stream: z.boolean().optional(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
})
export type ChatRequest = z.infer<typeof chatRequest>

export interface Exchange {
  /** The first message of the user. */
  readonly task: string
  /** Value of the last `task=` marker that a user wrote: names the task in the call log. */
  readonly taskMark: string | null
  /** Answers of the model so far; behind a `task=` marker, those since. */
  readonly turn: number
  readonly mode: 'code' | 'tools'
  readonly toolNames: readonly string[]
  /** Tool results and outputs of code since the task was given. */
  readonly observations: string
  /** What was said before it: earlier turns of the conversation. */
  readonly earlier: string
  /** Messages of users, the latest first: in a conversation each may be a task of its own. */
  readonly asked: readonly Asked[]
}

/** A text, with the answers and the observations since. */
export interface Asked extends Pick<Exchange, 'turn' | 'observations'> {
  readonly text: string
}

export function readExchange({ messages, tools = [] }: ChatRequest): Exchange {
  const said = messages.map((message) => ({ role: message.role, text: plainText(message.content) }))
  const first = said.findIndex(({ role }) => role === 'user')
  const task = said[first]?.text ?? ''
  const system = said.find(({ role }) => role === 'system' || role === 'developer')?.text ?? ''
  const marked = said.findLastIndex(({ role, text }) => role === 'user' && mark(text, 'task') !== null)
  const given = marked === -1 ? first : marked
  const answers = marked === -1 ? said : said.slice(marked)
  const asked = said.flatMap(({ role, text }, at) => (role === 'user' ? [askedAt(said, at, text)] : []))
  return {
    task,
    taskMark: mark(lastMarked(said[given]?.text ?? ''), 'task'),
    turn: answersIn(answers),
    // Only prompts of code mode mention final_answer.
    mode: tools.length === 0 && system.includes('final_answer') ? 'code' : 'tools',
    toolNames: tools.map((tool) => tool.function.name),
    observations: observationsIn(said.slice(given + 1)),
    earlier: said
      .slice(first, given)
      .map(({ text }) => text)
      .join('\n'),
    asked: asked.toReversed(),
  }
}

interface Said {
  readonly role: string
  readonly text: string
}

const answersIn = (said: readonly Said[]): number => said.filter(({ role }) => role === 'assistant').length

const observationsIn = (said: readonly Said[]): string =>
  said.flatMap(({ role, text }) => (role === 'assistant' ? [] : [text])).join('\n')

function askedAt(said: readonly Said[], at: number, text: string): Asked {
  const since = said.slice(at + 1)
  return { text, turn: answersIn(since), observations: observationsIn(since) }
}

/** From the last `task=` marker on: messages of a user that nothing was said between arrive as one. */
const lastMarked = (text: string): string =>
  text.slice([...text.matchAll(/(?:^|\s)task=/g)].at(-1)?.index ?? 0)

/** Value of `name=value` in a text; null if it is absent. */
export function mark(text: string, name: string): string | null {
  return new RegExp(`(?:^|\\s)${name}=([\\w.-]+)`).exec(text)?.[1] ?? null
}

function plainText(value: z.infer<typeof content>): string {
  if (Array.isArray(value)) return value.map((part) => part.text ?? '').join('')
  return value ?? ''
}
