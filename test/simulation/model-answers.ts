// Answers of the simulated models: they depend on the conversation alone, like those of a recorded model.
import { hash } from 'node:crypto'
import type { SeenCall } from '../../runtime/testing/simulator/call-book.ts'
import type { World } from '../../runtime/testing/simulator/world.ts'
import type { Json } from '../../schemas/json.ts'
import { estimatedInputTokens } from '../../services/planner/conversation/token-estimates.ts'
import { sessionSummaryPrompt } from '../../services/planner/prompts/session-summary.ts'
import type { ModelReply, ModelRequest } from '../../services/planner/call.ts'
import { answerInTree, TREE_TASK } from './trees.ts'

/** Text of a task that ends after one answer; text of a task whose model is slow. */
export const QUICK_TASK = 'probe'
export const SLOW_TASK = 'slow'
/** Text of a task that calls a tool once whose answer is large; the call. */
export const BULKY_TASK = 'bulky'
export const BULKY_MARK = 'bulky'

/** Longest time of a model, except for slow tasks (afterwards.ts). */
export const MODEL_MS = 2_000

export function latencyOf({ messages }: ModelRequest): [number, number] {
  const isSlow = messages.some(
    ({ role, content }) => role === 'user' && String(content).startsWith(SLOW_TASK),
  )
  return isSlow ? [20_000, 20_000] : [5, MODEL_MS]
}

export type Tokens = NonNullable<SeenCall['tokens']>

/** Less input than the guard counts, at most what the planner estimates; at most the allowed output. */
export function spendOf(request: ModelRequest): { input: number; output: number } {
  const { messages, maxOutputTokens } = request
  const input = Math.min(300 + 30 * messages.length, estimatedInputTokens(request))
  return { input, output: draw(maxOutputTokens, JSON.stringify(messages), 'output') + 1 }
}

export function garbage(
  key: string,
  { fate }: World,
): Pick<ModelReply, 'text' | 'toolCalls' | 'finishReason'> {
  const call = { id: '', name: 'lookup', argumentsText: '{"mark": ' }
  return fate.pick(
    [
      { text: 'Sure! Here is', toolCalls: [], finishReason: 'length' },
      {
        text: '',
        toolCalls: [call, { ...call, name: 'no such tool', argumentsText: '[]' }],
        finishReason: 'tool_calls',
      },
      { text: '<think>so', toolCalls: [], finishReason: 'stop' },
      { text: 'I would rather not.', toolCalls: [], finishReason: 'content_filter' },
    ],
    `garbage ${key}`,
  )
}

function draw(most: number, ...parts: (string | number)[]): number {
  return Number.parseInt(hash('sha256', parts.join('|'), 'hex').slice(0, 8), 16) % most
}

const toolNames = [
  'lookup',
  'charge',
  'lookup',
  'cached',
  'charge',
  'large',
  'approved',
  'judged',
  'transfer',
  'ask_person',
  'endless',
  'nothing',
]

/** Turns for which notes stand. */
const turnsBefore = (messages: ModelRequest['messages']): number =>
  Math.max(
    0,
    ...messages.flatMap(({ content }) =>
      [...String(content).matchAll(/Your turns 1 to (\d+) are no longer shown/g)].map(([, turns]) =>
        Number(turns),
      ),
    ),
  )

const isOfUser = ({ role }: ModelRequest['messages'][number]): boolean => role === 'user'

/** The text of a task, behind what its session remembers. */
const isTask = ({ role, content }: ModelRequest['messages'][number]): boolean =>
  role === 'user' && /^do c\d/.test(String(content))

/** Some are no use. */
function summaryOf(messages: ModelRequest['messages']): string {
  const asked = JSON.stringify(messages)
  return ['notes', 'notes of some length', '', 'far too long '.repeat(400)][draw(4, asked, 'summary')] ?? ''
}

/** One to four steps; each except the last asks for tools, or runs a script. */
export function answer({
  messages,
  tools,
  summarises,
}: ModelRequest): Pick<ModelReply, 'text' | 'toolCalls' | 'finishReason'> {
  if (summarises) return { text: summaryOf(messages), toolCalls: [], finishReason: 'stop' }
  if (messages[0]?.content === sessionSummaryPrompt)
    return { text: summaryOf(messages), toolCalls: [], finishReason: 'stop' }
  const own = Math.max(0, messages.findLastIndex(isTask))
  const text = String((messages[own]?.role === 'user' ? messages[own] : messages.find(isOfUser))?.content)
  const since = messages.slice(own)
  const turn = turnsBefore(since) + since.filter(({ role }) => role === 'assistant').length
  if (text.startsWith(TREE_TASK)) return answerInTree(text, turn, tools)
  const isLast =
    [QUICK_TASK, SLOW_TASK, BULKY_TASK].some((start) => text.startsWith(start)) ||
    turn >= draw(4, text, 'turns')
  if (tools === undefined)
    return {
      text: `\`\`\`python\n${scriptOf(text, turn, isLast)}\n\`\`\``,
      toolCalls: [],
      finishReason: 'stop',
    }
  if (text.startsWith(BULKY_TASK) && turn === 0) {
    const argumentsText = JSON.stringify({ mark: BULKY_MARK })
    return {
      text: '',
      toolCalls: [{ id: 'call_0_0', name: 'lookup', argumentsText }],
      finishReason: 'tool_calls',
    }
  }
  if (isLast) return { text: `done ${text}`, toolCalls: [], finishReason: 'stop' }
  const toolCalls = Array.from({ length: 1 + draw(3, text, turn, 'count') }, (_, index) => ({
    id: `call_${turn}_${index}`,
    ...callOf(toolNames[draw(toolNames.length, text, turn, index)] ?? 'lookup', `${turn}.${index}`),
  }))
  return { text: '', toolCalls, finishReason: 'tool_calls' }
}

const callOf = (name: string, mark: string): { name: string; argumentsText: string } => ({
  name,
  argumentsText: JSON.stringify(name === 'ask_person' ? { question: mark } : ({ mark } satisfies Json)),
})

const calls = ['lookup', 'charge', 'cached', 'lookup', 'charge', 'large', 'approved', 'transfer']

function scriptOf(text: string, turn: number, isLast: boolean): string {
  const lines = Array.from({ length: 1 + draw(3, text, turn, 'lines') }, (_, index) => {
    const call = (name: string, at: number) =>
      `${name}=${calls[draw(calls.length, text, turn, index, at)]}(${turn}.${index}.${at})`
    switch (draw(12, text, turn, index, 'line')) {
      case 0:
        return `print line ${index} of turn ${turn}`
      case 1:
        return 'raise no luck'
      case 2:
        return 'spin'
      case 3:
        return `random r\ncall a=lookup($r)\nvalue a`
      case 4:
      case 5:
        return `try a=${draw(2, text, index) ? 'charge' : 'lookup'}(${turn}.${index}.0)\nvalue a`
      default:
        return `call ${[0, 1]
          .slice(0, 1 + draw(2, text, turn, index))
          .map((at) => call('ab'[at] ?? 'c', at))
          .join(' ')}`
    }
  })
  return [...lines, ...(isLast ? ['final a'] : [])].join('\n')
}
