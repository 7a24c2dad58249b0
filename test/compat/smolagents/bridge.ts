// Runs Python sent line by line on stdin in sessions of an executor, and asks for the results of tools the same way:
//
//   → {"session": "1", "code": "x = search(1)", "tools": ["search"]}
//   ← {"call": "search", "arguments": {"arg1": 1}}
//   → {"value": 2}
//   ← {"prints": "", "finalAnswer": null, "isFinal": false, "error": null}
//
// Reading is synchronous: a tool is answered in the middle of a step.
import { readSync, writeSync } from 'node:fs'
import type { Executor, ToolSignature } from '../../../services/code-sandbox/executors/port.ts'
import type { Json } from '../../../schemas/json.ts'
import { TestSession } from '../../sandbox/suite/session.ts'
import { createWasm } from '../../sandbox/wasm.ts'

const TIMEOUT_MS = 10_000

interface Request {
  readonly session: string
  readonly code: string
  readonly tools: readonly string[]
  readonly timeoutMs?: number
}

const executor: Executor =
  process.argv[2] === 'native' ? (await import('../../sandbox/native.ts')).createNative() : createWasm()
const sessions = new Map<string, TestSession>()
let rest = Buffer.alloc(0)

function readLine(): string | null {
  const chunk = Buffer.alloc(65_536)
  for (;;) {
    const end = rest.indexOf(10)
    if (end >= 0) {
      const line = rest.toString('utf8', 0, end)
      rest = rest.subarray(end + 1)
      return line
    }
    const length = readSync(0, chunk)
    if (length === 0) return null
    rest = Buffer.concat([rest, chunk.subarray(0, length)])
  }
}

const write = (message: object): void => void writeSync(1, `${JSON.stringify(message)}\n`)

/** Any keywords, and positions as arg1, arg2, … */
const signature = (name: string): ToolSignature => ({
  name,
  description: '',
  input: {
    type: 'object',
    properties: Object.fromEntries(Array.from({ length: 4 }, (_, i) => [`arg${i + 1}`, {}])),
    additionalProperties: true,
  },
})

function answer(name: string, args: Json): Json | Error {
  write({ call: name, arguments: args })
  const reply = JSON.parse(readLine() ?? '{"error":"gone"}') as { value?: Json; error?: string }
  return reply.error === undefined ? (reply.value ?? null) : new Error(reply.error)
}

async function run({ session, code, tools, timeoutMs = TIMEOUT_MS }: Request): Promise<void> {
  const found = sessions.get(session) ?? new TestSession(executor)
  sessions.set(session, found)
  found.tools = tools.map(signature)
  found.limits = { timeoutMs, toolCalls: 100, printChars: 100_000, valueChars: 100_000 }
  const finished = await found.step(code, (call) => answer(call.name, call.arguments))
  const { prints, finalAnswer, isFinal, error } = finished
  write({ prints, finalAnswer, isFinal, error })
}

for (let line = readLine(); line !== null; line = readLine()) await run(JSON.parse(line) as Request)
await executor.close()
