// A real server that speaks one dialect: it refuses what that server refuses, and answers a scripted turn in its manner.
import type { ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import type { Message, MessageToolCall, ModelTool } from '../../../../services/planner/call.ts'
import type { Dialect, ErrorAnswer, Strictness, Want } from './dialects.ts'
import { startProvider, type ProviderServer } from './provider-server.ts'

export interface WantedCall {
  readonly name: string
  readonly argumentsText: string
}

export type Turn =
  | { readonly says: string }
  | { readonly calls: readonly WantedCall[] }
  | { readonly cutOff: string }
  | { readonly breaks: string }
  /** The connection is lost behind this text. */
  | { readonly loses: string }
  /** Says this much and goes on forever. */
  | { readonly hangs: string }
  | { readonly error: ErrorAnswer }

type Shape = Record<string, unknown>
const usage = { prompt_tokens: 40, completion_tokens: 30, total_tokens: 70 }

/** Takes its turns in order; the last one is repeated. What it refuses is in `refusals`. */
export async function startDialect(
  t: TestContext,
  dialect: Dialect,
  turns: readonly Turn[],
): Promise<ProviderServer & { readonly refusals: string[] }> {
  const refusals: string[] = []
  let taken = 0
  const server = await startProvider(t, ({ body }, response) => {
    const why = refusal(dialect.refuses, body)
    if (why !== null) {
      refusals.push(why)
      return fails(response, {
        status: 400,
        body: { error: { message: why, type: 'invalid_request_error' } },
      })
    }
    const want = missing(dialect, body)
    if (want !== null) return fails(response, { status: 400, body: { error: { message: want } } })
    const turn = turns[Math.min(taken++, turns.length - 1)] as Turn
    take(dialect, turn, body['stream'] === true, response)
  })
  return Object.assign(server, { refusals })
}

function take(dialect: Dialect, turn: Turn, streams: boolean, response: ServerResponse): void {
  if ('error' in turn) return fails(response, turn.error)
  if (streams && !dialect.answersWhole) return stream(dialect, turn, response)
  if ('breaks' in turn && 'error' in dialect.breaks)
    return send(dialect, response, { error: dialect.breaks.error })
  if ('loses' in turn) {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write('{"choices":[{"message":{"content":"')
    return void setImmediate(() => response.destroy())
  }
  if ('hangs' in turn) return void response.writeHead(200, { 'content-type': 'application/json' }).write(' ')
  send(dialect, response, whole(dialect, turn))
}

function fails(response: ServerResponse, { status, headers = {}, body }: ErrorAnswer): void {
  const now = Date.now()
  const filled = Object.entries(headers).map(([name, value]) => [
    name,
    value
      .replace('{epoch in 20 s}', String(Math.round(now / 1_000) + 20))
      .replace('{date in 30 s}', new Date(now + 30_000).toUTCString()),
  ])
  const isText = typeof body === 'string'
  response.writeHead(status, {
    'content-type': isText ? 'text/html' : 'application/json',
    ...Object.fromEntries(filled),
  })
  response.end(isText ? body : JSON.stringify(body))
}

function send(dialect: Dialect, response: ServerResponse, body: unknown): void {
  const text = Buffer.from(JSON.stringify(body))
  const packed =
    dialect.encoding === 'br' ? brotliCompressSync(text) : dialect.encoding ? gzipSync(text) : text
  const encoding = dialect.encoding ? { 'content-encoding': dialect.encoding } : {}
  response.writeHead(200, { 'content-type': 'application/json', ...encoding })
  response.end(packed)
}

function whole(dialect: Dialect, turn: Turn): unknown {
  const used = dialect.usage === 'none' ? {} : { usage: dialect.usage === 'zero' ? zero : usage }
  const message: Shape = { role: 'assistant', content: 'calls' in turn ? null : textOf(turn) }
  if ('calls' in turn)
    message['tool_calls'] = turn.calls.map(({ name, argumentsText }, index) => {
      const id =
        dialect.calls === 'whole, no ids' ? {} : { id: dialect.calls === 'whole, one id' ? '0' : `c${index}` }
      return { ...id, type: 'function', function: { name, arguments: argumentsText } }
    })
  return {
    object: 'chat.completion',
    model: 'm-1',
    choices: [{ index: 0, message, finish_reason: finishOf(dialect, turn) }],
    ...used,
  }
}

const zero = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }

function textOf(turn: Turn): string {
  if ('says' in turn) return turn.says
  if ('cutOff' in turn) return turn.cutOff
  if ('breaks' in turn) return turn.breaks
  if ('loses' in turn) return turn.loses
  return 'hangs' in turn ? turn.hangs : ''
}

function finishOf({ finish = {}, breaks }: Dialect, turn: Turn): string {
  if ('calls' in turn) return finish.tools ?? 'tool_calls'
  if ('cutOff' in turn) return finish.length ?? 'length'
  if ('breaks' in turn && 'finish' in breaks) return breaks.finish
  return finish.stop ?? 'stop'
}

function stream(dialect: Dialect, turn: Turn, response: ServerResponse): void {
  const lines = eventsOf(dialect, turn)
  const eol = dialect.eol ?? '\n'
  const text = (dialect.byteOrderMark ? '\ufeff' : '') + lines.join('').replaceAll('\n', eol)
  const packed = dialect.encoding ? gzipSync(text) : Buffer.from(text)
  const encoding = dialect.encoding ? { 'content-encoding': dialect.encoding } : {}
  response.writeHead(200, { 'content-type': 'text/event-stream', ...encoding })
  if ('loses' in turn) response.write(packed.subarray(0, -1), () => response.destroy())
  else if ('hangs' in turn) response.write(packed)
  else response.end(packed)
}

function eventsOf(dialect: Dialect, turn: Turn): string[] {
  const write = (value: unknown) => {
    const json = dialect.multiLine ? JSON.stringify(value, null, 1) : JSON.stringify(value)
    return `data: ${json.replaceAll('\n', '\ndata: ')}\n\n`
  }
  const parts = 'calls' in turn ? callPieces(dialect.calls, turn.calls) : textPieces(textOf(turn))
  const chunks = [...thought(dialect), ...parts].map((delta, index) => {
    const growing =
      dialect.usage === 'growing' ? { usage: { prompt_tokens: 40, completion_tokens: index } } : {}
    return write({ ...chunkOf(delta), ...growing })
  })
  const begun = chunks.flatMap((chunk) => [dialect.keepAlive ?? '', chunk])
  if ('loses' in turn || 'hangs' in turn) return begun
  if ('breaks' in turn && 'error' in dialect.breaks)
    return [...begun, write({ error: dialect.breaks.error }), 'data: [DONE]\n\n']
  return [...begun, ...ending(dialect, turn).map(write), ...last(dialect, begun.length)]
}

/** The end of a stream whose server says nothing but [DONE] has no finish reason, unless it has something to say. */
function ending(dialect: Dialect, turn: Turn): Shape[] {
  const isPlain = 'says' in turn || 'calls' in turn
  const finish = dialect.last === '[DONE] alone ends it' && isPlain ? null : finishOf(dialect, turn)
  const end = chunkOf({}, finish)
  const late = { object: 'chat.completion.chunk', model: 'm-1', choices: [], usage }
  switch (dialect.usage) {
    case 'late chunk':
      return [end, late]
    case 'last chunk':
    case 'growing':
      return [{ ...end, usage }]
    case 'x_groq':
      return [{ ...end, x_groq: { usage } }]
    case 'in the choice':
      return [{ ...end, choices: [{ index: 0, delta: {}, finish_reason: finish, usage }] }]
    case 'zero':
      return [end, { ...late, usage: zero }]
    case 'none':
      return [end]
  }
}

function last(dialect: Dialect, _begun: number): string[] {
  if (dialect.last === 'no [DONE]') return []
  return dialect.last === 'no blank line' ? ['data: [DONE]'] : ['data: [DONE]\n\n']
}

function chunkOf(delta: Shape, finish: string | null = null): Shape {
  return {
    object: 'chat.completion.chunk',
    model: 'm-1',
    choices: [{ index: 0, delta, finish_reason: finish }],
  }
}

function thought({ reasoning }: Dialect): Shape[] {
  if (reasoning === undefined) return []
  if (reasoning !== 'thinking parts') return [{ [reasoning]: 'I think. '.repeat(10) }]
  return [{ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'I think. '.repeat(10) }] }] }]
}

const textPieces = (text: string): Shape[] =>
  (text.match(/[\s\S]{1,6}/gu) ?? []).map((content) => ({ content }))

function callPieces(style: Dialect['calls'], calls: readonly WantedCall[]): Shape[] {
  return calls.flatMap(({ name, argumentsText }, at) => {
    const half = Math.ceil(argumentsText.length / 2)
    const halves = [argumentsText.slice(0, half), argumentsText.slice(half)]
    const whole = { type: 'function', function: { name, arguments: argumentsText } }
    const one = (call: Shape): Shape => ({ tool_calls: [call] })
    switch (style) {
      case 'whole, index 0':
        return [one({ index: 0, id: `toolu_01.${at}:${'x'.repeat(50)}`, ...whole })]
      case 'whole, no ids':
        return [one(whole)]
      case 'whole, one id':
        return [one({ index: 0, id: '0', ...whole })]
    }
    const index = style === 'pieces from 1' ? at + 1 : at
    const id = (piece: number) =>
      style === 'pieces, changing ids' ? `chatcmpl-tool-${at}${piece}` : `call_${at}`
    const begun = one({ index, id: id(0), type: 'function', function: { name, arguments: '' } })
    const more = halves.map((part, piece) =>
      one({
        index,
        ...(style === 'pieces, changing ids' ? { id: id(piece + 1) } : {}),
        function: { arguments: part },
      }),
    )
    return [begun, ...more]
  })
}

type Check = (messages: readonly Message[], body: Shape) => string | null

const callsIn = (messages: readonly Message[]): MessageToolCall[] =>
  messages.flatMap((message) => (message.role === 'assistant' ? (message.tool_calls ?? []) : []))
const ids =
  (form: RegExp): Check =>
  (messages) =>
    callsIn(messages).find(({ id }) => !form.test(id)) ? `an id is not of the form ${form}` : null

const checks: Readonly<Record<Strictness, Check>> = {
  names: (messages) =>
    callsIn(messages).find((call) => !/^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$/.test(call.function.name))
      ? 'a bad name'
      : null,
  arguments: (messages) =>
    callsIn(messages).every((call) => isObject(call.function.arguments)) ? null : 'bad arguments',
  'ids of nine': ids(/^[a-zA-Z0-9]{9}$/),
  'ids to 40': ids(/^.{1,40}$/),
  'plain ids': ids(/^[a-zA-Z0-9_-]+$/),
  'unique ids': (messages) => {
    const all = callsIn(messages).map(({ id }) => id)
    return new Set(all).size === all.length ? null : 'an id twice'
  },
  pairs: (messages) => (arePaired(messages) ? null : 'calls and their answers do not pair'),
  'user after tool': (messages) =>
    messages.some(({ role }, at) => role === 'user' && messages[at - 1]?.role === 'tool')
      ? 'a user speaks behind a tool'
      : null,
  'empty content': (messages) =>
    messages.some((message) => message.content?.trim() === '') ? 'an empty message' : null,
  'half characters': (messages) =>
    messages.every(({ content }) => (content ?? '').isWellFormed()) ? null : 'half a character',
  'control characters': (messages) =>
    messages.every((message) => !/[\u0000-\u0008]|\\u000[0-8]/.test(textsOf(message)))
      ? null
      : 'a control character',
  'assistant last': (messages) =>
    messages.at(-1)?.role === 'assistant' ? 'the assistant speaks last' : null,
  'assistant twice': (messages) =>
    messages.some(({ role }, at) => role === 'assistant' && messages[at - 1]?.role === 'assistant')
      ? 'the assistant speaks twice'
      : null,
  'calls without tools': (messages, { tools }) =>
    callsIn(messages).length > 0 && !Array.isArray(tools) ? 'calls, but no tools' : null,
}

const textsOf = (message: Message): string =>
  [message.content ?? '', ...callsIn([message]).map((call) => call.function.arguments)].join('\n')

const wants: Readonly<Record<Want, (messages: readonly Message[], body: Shape) => boolean>> = {
  'text beside calls': (messages) => messages.every(({ content }) => typeof content === 'string'),
  'reasoning with every call': (messages) =>
    messages.every((message) => callsIn([message]).length === 0 || 'reasoning_content' in message),
  'names of answers': (messages) => messages.every((message) => message.role !== 'tool' || 'name' in message),
  'a part of JSON Schema': (_, body) =>
    ((body['tools'] ?? []) as ModelTool[]).every(
      (tool) => !/"(additionalProperties|const|\$ref)"/.test(JSON.stringify(tool.function.parameters)),
    ),
  'whole answers': (_, { stream }) => stream !== true,
}

/** The words of a server that misses something; null if it has all. */
function missing(dialect: Dialect, body: Shape): string | null {
  const messages = (body['messages'] ?? []) as Message[]
  const found = (Object.keys(dialect.wants ?? {}) as Want[]).find((want) => !wants[want](messages, body))
  return found === undefined ? null : (dialect.wants?.[found] ?? null)
}

function refusal(refuses: readonly Strictness[], body: Shape): string | null {
  const messages = (body['messages'] ?? []) as Message[]
  return refuses.map((strict) => checks[strict](messages, body)).find((why) => why !== null) ?? null
}

function isObject(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

function arePaired(messages: readonly Message[]): boolean {
  return messages.every((message, at) => {
    const wanted = message.role === 'assistant' ? (message.tool_calls ?? []).map(({ id }) => id) : []
    const found = wanted
      .map((_, index) => messages[at + 1 + index])
      .map((one) => (one?.role === 'tool' ? one.tool_call_id : ''))
    return wanted.toSorted().join() === found.toSorted().join()
  })
}
