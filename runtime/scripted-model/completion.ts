// Writes a Turn as OpenAI's API would: one chat completion, or its chunks as server-sent events.
import type { ServerResponse } from 'node:http'
import type { Turn } from './conversations.ts'
import type { ChatRequest } from './exchange.ts'
import { BROKEN } from './faults.ts'

/** Text of a stream goes out in pieces of this many characters. */
const PIECE_CHARS = 24

export interface Spent {
  readonly inputTokens: number
  readonly outputTokens: number
}

interface Answer {
  readonly id: string
  readonly turn: Turn
  readonly request: ChatRequest
  /** Between two pieces of a streamed answer; 0: all at once. */
  readonly paceMs: number
  /** Length of the request's body: stands for the tokens of the prompt. */
  readonly requestChars: number
}

/** Returns the usage that it counted. */
export function writeAnswer(response: ServerResponse, answer: Answer): Spent {
  if (answer.request.stream) writeStream(response, answer)
  else writeWhole(response, answer)
  const { prompt_tokens: inputTokens, completion_tokens: outputTokens } = usageOf(answer)
  return { inputTokens, outputTokens }
}

function writeWhole(response: ServerResponse, answer: Answer): void {
  const calls = toolCalls(answer)
  const message = {
    role: 'assistant',
    content: answer.turn.text ?? null,
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  }
  const choices = [{ index: 0, message, finish_reason: finishReason(calls), logprobs: null }]
  const body = JSON.stringify({ ...head(answer, 'chat.completion'), choices, usage: usageOf(answer) })
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

function writeStream(response: ServerResponse, answer: Answer): void {
  const base = head(answer, 'chat.completion.chunk')
  const calls = toolCalls(answer).map((call, index) => ({ index, ...call }))
  const deltas: object[] = pieces(answer.turn.text ?? '').map((content) => ({ content }))
  if (calls.length > 0) deltas.push({ tool_calls: calls })
  const chunk = (delta: object, finish: string | null) =>
    event({ ...base, choices: [{ index: 0, delta, finish_reason: finish }] })
  const parts = deltas.map((delta, index) =>
    chunk(index === 0 ? { role: 'assistant', ...delta } : delta, null),
  )
  parts.push(chunk({}, finishReason(calls)))
  if (answer.request.stream_options?.include_usage)
    parts.push(event({ ...base, choices: [], usage: usageOf(answer) }))
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  parts.push('data: [DONE]\n\n')
  if (answer.paceMs === 0) response.end(parts.join(''))
  else writeSlowly(response, parts, answer.paceMs)
}

function writeSlowly(response: ServerResponse, parts: readonly string[], paceMs: number): void {
  let sent = 0
  const timer = setInterval(() => {
    response.write(parts[sent++])
    if (sent === parts.length) response.end()
  }, paceMs)
  // After the last part, or if the caller has gone.
  response.once('close', () => clearInterval(timer))
  response.once('finish', () => clearInterval(timer))
}

function head({ id, request }: Answer, object: string) {
  return { id, object, created: Math.floor(Date.now() / 1_000), model: request.model }
}

function toolCalls({ id, turn }: Answer) {
  return (turn.toolCalls ?? []).map((call, index) => ({
    id: `call_${id}_${index}`,
    type: 'function',
    function: { name: call.name, arguments: argumentsText(call.arguments) },
  }))
}

function argumentsText(value: Readonly<Record<string, unknown>>): string {
  return value === BROKEN ? BROKEN.$broken : JSON.stringify(value)
}

const finishReason = (calls: readonly unknown[]): string => (calls.length > 0 ? 'tool_calls' : 'stop')

/** Estimates: the tokenizer differs for each model that this one stands in for. */
function usageOf({ turn, requestChars }: Answer) {
  const written = (turn.text ?? '').length + JSON.stringify(turn.toolCalls ?? '').length
  const prompt_tokens = Math.ceil(requestChars / 4)
  const completion_tokens = Math.ceil(written / 4)
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}

function pieces(text: string): string[] {
  const found: string[] = []
  for (let at = 0; at < text.length; at += PIECE_CHARS) found.push(text.slice(at, at + PIECE_CHARS))
  return found
}

const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`
