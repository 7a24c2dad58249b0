// Converts a conversation into a form that the strictest servers accept, so that any model of the task can
// continue one that another model began.
//
// 1. Ids of calls are ours: nine letters and digits (Mistral), unique in the conversation (Anthropic,
//    OpenAI), and the same at every step, so that a provider's prompt cache stays valid.
// 2. Names of calls have a form that all accept; arguments are a JSON object. The reply that refuses a call
//    shows the model its original text.
// 3. Each call is answered once, right behind its message. No message of the user follows an answer of a tool
//    (Mistral), none is empty (Bedrock), and assistant and user alternate (chat templates). The last word is
//    never the assistant's (Mistral, Claude).
// 4. Texts are sendable (sendable.ts), plain or escaped.
// 5. Fields that a provider attached to a call (signatures of its thoughts) go back to the model that they
//    came from, and to no other; unchanged, unless a text of theirs is not sendable.
// 6. Without tools there are no calls either (Anthropic): they become text.
import type { Message, MessageToolCall } from '../call.ts'
import { readArguments } from '../tools/call-arguments.ts'
import { sendable, sendableJson, sendableValue } from './sendable.ts'

type AssistantMessage = Extract<Message, { role: 'assistant' }>
type ToolMessage = Extract<Message, { role: 'tool' }>

export function portable(messages: readonly Message[], hasTools: boolean, model = ''): Message[] {
  const fit: Message[] = []
  let calls = 0
  for (let at = 0; at < messages.length; at++) {
    const message = messages[at] as Message
    if (message.role !== 'assistant' || !message.tool_calls?.length) {
      add(fit, plain(message))
      continue
    }
    const replies = repliesFrom(messages, at + 1)
    at += replies.length
    const turn = hasTools ? asCalls(message, replies, calls, model) : asText(message, replies)
    calls += message.tool_calls.length
    for (const one of turn) add(fit, one)
  }
  if (fit.at(-1)?.role === 'assistant') fit.push({ role: 'user', content: 'Go on.' })
  return fit
}

function repliesFrom(messages: readonly Message[], from: number): ToolMessage[] {
  const replies: ToolMessage[] = []
  for (let at = from; ; at++) {
    const message = messages[at]
    if (message?.role !== 'tool') return replies
    replies.push(message)
  }
}

function asCalls(
  said: AssistantMessage,
  replies: readonly ToolMessage[],
  before: number,
  model: string,
): Message[] {
  const attached = said.attached?.model === model ? sendableValue(said.attached) : null
  const asked = said.tool_calls ?? []
  const calls = asked.map((call, index): MessageToolCall => {
    const wanted = fitCall(call.function)
    return { ...attached?.calls[index], id: ownId(before + index), type: 'function', function: wanted }
  })
  const answers = asked.map(({ id }, index): Message => {
    const reply =
      replies[index]?.tool_call_id === id ? replies[index] : replies.find((one) => one.tool_call_id === id)
    const content = fillIn(reply?.content ?? '', 'There is no result of this call.')
    return { role: 'tool', tool_call_id: ownId(before + index), content }
  })
  const content = sendable(said.content ?? '')
  return [
    {
      ...attached?.message,
      role: 'assistant',
      content: content.trim() === '' ? null : content,
      tool_calls: calls,
    },
    ...answers,
  ]
}

function asText(said: AssistantMessage, replies: readonly ToolMessage[]): Message[] {
  const asked = (said.tool_calls ?? []).map((call) => `(called ${call.function.name})`)
  const replyText = replies.map(({ content }) => content).join('\n\n')
  return [
    {
      role: 'assistant',
      content: fillIn([said.content ?? '', ...asked].join('\n').trim(), '(called a tool)'),
    },
    { role: 'user', content: fillIn(replyText, 'There is no result.') },
  ]
}

function plain(message: Message): Message {
  if (message.role === 'assistant')
    return { role: 'assistant', content: fillIn(message.content ?? '', '(no answer)') }
  // An answer whose call is gone becomes plain text.
  const role = message.role === 'tool' ? 'user' : message.role
  return { role, content: fillIn(message.content, '(empty)') }
}

/** Joins a user message to the user or tool message before it, and words of the assistant to its words. */
function add(fit: Message[], message: Message): void {
  const last = fit.at(-1)
  const content = `${last?.content ?? ''}\n\n${message.content ?? ''}`
  if (message.role === 'user' && (last?.role === 'user' || last?.role === 'tool'))
    fit[fit.length - 1] = { ...last, content }
  else if (message.role === 'assistant' && last?.role === 'assistant' && !last.tool_calls)
    fit[fit.length - 1] = { ...message, content: content.trimEnd() }
  else fit.push(message)
}

const fillIn = (text: string, instead: string): string => (text.trim() === '' ? instead : sendable(text))

const ownId = (index: number): string => `call${index.toString(36).padStart(5, '0')}`

type CalledFunction = MessageToolCall['function']

/** A call is sent again with each later step: it is fitted once. */
const fitted = new WeakMap<CalledFunction, CalledFunction>()

function fitCall(called: CalledFunction): CalledFunction {
  const known = fitted.get(called)
  if (known) return known
  const fit = { name: fitName(called.name), arguments: fitArguments(called.arguments) }
  fitted.set(called, fit)
  return fit
}

const MAX_NAME_CHARS = 64

/** Gemini wants a letter or an underscore first. */
function fitName(name: string): string {
  const fit = name.replaceAll(/[^a-zA-Z0-9_-]+/g, '_').slice(0, MAX_NAME_CHARS)
  if (fit === '' || fit === '_') return 'unknown_tool'
  return /^[a-zA-Z_]/.test(fit) ? fit : `_${fit}`.slice(0, MAX_NAME_CHARS)
}

function fitArguments(text: string): string {
  const read = readArguments(text)
  return 'problem' in read ? '{}' : sendableJson(read.json)
}
