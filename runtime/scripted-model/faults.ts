// Faults that a task's text asks for by markers, so that a test can choose them from outside any process:
// `fault=<name>` always, `fault=<name>x2` on the first two calls of each turn, `latency=<ms>` before the
// answer, `pace=<ms>` between the pieces of a streamed one.
import type { ServerResponse } from 'node:http'
import type { Turn } from './conversations.ts'
import { mark, type Exchange } from './exchange.ts'
import { benchScript, final, python } from './script.ts'

/** Sends a fault instead of an answer. */
export type Fault = (response: ServerResponse) => void

export interface Fate {
  readonly latencyMs: number
  /** Between two pieces of a streamed answer; 0: all at once. */
  readonly paceMs: number
  readonly fault: Fault | null
  /** Overrides the script. */
  readonly turn: Turn | null
}

export interface Fates {
  of(exchange: Exchange): Fate
}

const MAX_LATENCY_MS = 600_000
/** Tasks whose faults are counted; the oldest are dropped. */
const MAX_COUNTED = 100_000

export function createFates(): Fates {
  const counts = new Map<string, number>()
  const count = (key: string): number => {
    const so = (counts.get(key) ?? 0) + 1
    counts.set(key, so)
    if (counts.size > MAX_COUNTED) counts.delete(counts.keys().next().value ?? key)
    return so
  }
  return {
    of: (exchange) => {
      const [latencyMs, paceMs] = ['latency', 'pace'].map((name) =>
        Math.min(Number(mark(exchange.task, name) ?? 0) || 0, MAX_LATENCY_MS),
      ) as [number, number]
      const marked = mark(exchange.task, 'fault')
      if (marked === null) return { latencyMs, paceMs, fault: null, turn: null }
      const [, name = marked, times] = /^(.+?)(?:x(\d+))?$/.exec(marked) ?? []
      const due = times === undefined || count(`${exchange.turn} ${exchange.task}`) <= Number(times)
      if (!due) return { latencyMs, paceMs, fault: null, turn: null }
      return { latencyMs, paceMs, fault: faultOf(name), turn: misbehaviourOf(name, exchange) }
    },
  }
}

/** Failures of the server or the connection. */
function faultOf(name: string): Fault | null {
  if (/^[45]\d\d$/.test(name)) return (response) => refuse(response, Number(name), name, `fault=${name}`)
  return faults[name] ?? null
}

const faults: Readonly<Record<string, Fault>> = {
  quota: (response) => refuse(response, 429, 'insufficient_quota', 'You exceeded your current quota'),
  context: (response) =>
    refuse(response, 400, 'context_length_exceeded', 'maximum context length is 10 tokens'),
  garbage: (response) => send(response, 'application/json', '{"choices": [{"mess'),
  html: (response) => send(response, 'text/html', '<html><h1>It works!</h1></html>'),
  hang: () => {},
  reset: (response) => response.destroy(),
  cut: (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(
      `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'This answer is cut in the mid' } }] })}\n\n`,
    )
    response.end()
  },
}

/** Answers that are valid HTTP but wrong for an agent. */
function misbehaviourOf(name: string, exchange: Exchange): Turn | null {
  const { turn, mode, taskMark } = exchange
  const recovered = final(exchange, `done ${taskMark ?? name}`)
  switch (name) {
    case 'empty':
      return { text: '' }
    case 'bad-json-args':
      return turn > 0
        ? recovered
        : { toolCalls: [{ name: exchange.toolNames[0] ?? 'echo', arguments: BROKEN }] }
    case 'unknown-tool':
      if (turn > 0) return recovered
      if (mode === 'code') return { text: python('no_such_tool(x=1)') }
      return { toolCalls: [{ name: 'no_such_tool', arguments: { x: 1 } }] }
    case 'bad-python':
      return turn > 0 ? recovered : { text: python('for x in range(3)\n    print(x') }
    case 'prose':
      return turn > 0 ? recovered : { text: 'Scripted model: I would rather talk about it first.' }
    case 'loop':
      return benchScript({ ...exchange, turn: 0, taskMark: 'loop' }) ?? null
    default:
      return null
  }
}

/** Written as text that is not JSON. */
export const BROKEN = { $broken: '{"text": "hi' }

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  const headers = status === 429 ? { 'retry-after-ms': '20' } : {}
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(
    JSON.stringify({
      error: { message: `scripted model: ${message}`, type: 'scripted_fault', param: null, code },
    }),
  )
}

function send(response: ServerResponse, type: string, body: string): void {
  response.writeHead(200, { 'content-type': type })
  response.end(body)
}
