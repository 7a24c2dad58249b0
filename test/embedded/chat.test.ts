// `flotilla chat`: in a pipe, as a process; on a terminal, its conversation with a person who types.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import type { Read, TakeLine } from '../../cli/actions/chat-input.ts'
import { Chat, type ChatOptions, type Messages } from '../../cli/actions/chat.ts'
import { httpOperator } from '../../operator/http.ts'
import { defineTool } from '../../runtime/config/define.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

/** Says all that it was told; `pay` calls a tool that waits for a person. */
const script: Script = ({ task, observations, turn }) =>
  turn === 0 && task.startsWith('pay')
    ? { toolCalls: [{ name: 'pay', arguments: { amount: 5 } }] }
    : { text: `told ${[task, observations].join(' | ').replaceAll(/\s+/g, ' ').trim()}` }
const paid: number[] = []
const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: z.object({ amount: z.number() }),
  requiresApproval: true,
  run: ({ amount }) => paid.push(amount),
})

let fleet: TestFleet
let url: string
const empty = mkdtempSync(join(tmpdir(), 'flotilla-chat-'))
before(async () => {
  fleet = await startTestFleet({ model: { script }, http: true, definition: { tools: [pay] } })
  url = fleet.process.url as string
})
after(async () => {
  await fleet.stop()
  rmSync(empty, { recursive: true })
})

const chat = (args: readonly string[], stdin: string) =>
  flotilla(['chat', ...args], { stdin, env: { FLOTILLA_DATA: empty } })
/** The users of so many tasks of the session, when the ledger has them. */
const usersOf = (session: string, count: number) =>
  eventually(`${session} has ${count} tasks`, async () => {
    const { tasks } = await httpOperator(url).tasks.list({ session })
    return tasks.length === count && tasks.map(({ userId }) => userId)
  })

test('in a pipe each line is a message, and the second is given what was said before', async () => {
  const { code, out, err } = await chat(
    ['--url', url, '--session', 'piped', '--user', 'ann'],
    'one\n\n/quit\n',
  )
  assert.equal(code, 0, err)
  assert.equal(out, 'told one |\ntold one | /quit\n')
  assert.match(err, /flotilla chat --session piped continues this session/)
  assert.deepEqual(await usersOf('piped', 2), ['ann', 'ann'])
  const later = await chat(['--url', url, '--session', 'piped', '--user', 'ann', '-q'], 'three')
  assert.deepEqual([later.out, later.err], ['told one | /quit three\n', ''])
})

test('in a pipe the first turn that does not succeed ends it, with the exit code of its status', async () => {
  const refused = await chat(['--url', url, '--session', 'refused'], 'import os\nhello\n')
  assert.deepEqual([refused.code, refused.out], [2, ''])
  assert.match(refused.err, /TASK_TEXT_FORBIDDEN.*\n.*Reword[^]*no message behind it is sent/)
  await usersOf('refused', 1)
})

for (const [what, args, stdin, code, words] of [
  ['no message', [], '\n', 64, /stdin has no message/],
  ['no URL', ['--url', 'here'], 'hi', 64, /--url here is no URL of a gateway/],
  ['no gateway', ['--url', 'http://127.0.0.1:1'], 'hi', 69, /GATEWAY_UNAVAILABLE.*\n.*flotilla start/],
] as const)
  test(`${what}: exit code ${code}, nothing on stdout, the remedy on stderr`, async () => {
    const ended = await chat(args.length === 0 ? ['--url', url] : args, stdin)
    assert.deepEqual([ended.code, ended.out], [code, ''], ended.err)
    assert.match(ended.err, words)
  })

/** A person who types the next line when the conversation asks for it, and `meanwhile` when a call waits. */
class Typed implements Messages {
  readonly isTerminal = true
  readonly typed = ''
  readonly #reads: Read[]
  readonly #meanwhile: readonly string[]
  constructor(reads: readonly (string | Read)[], meanwhile: readonly string[] = []) {
    this.#reads = reads.map((read) => (typeof read === 'string' ? { kind: 'line', text: read } : read))
    this.#meanwhile = meanwhile
  }
  next(): Promise<Read> {
    return Promise.resolve(this.#reads.shift() ?? { kind: 'end' })
  }
  async during<T>(take: TakeLine, turn: () => Promise<T>): Promise<T> {
    const running = turn()
    for (const line of this.#meanwhile) {
      await eventually('a call waits', () => shown.includes('waits for a person'))
      take(line)
    }
    return running
  }
}

let shown = ''
/** What is shown while a person talks with the fleet, and the exit code. */
async function talk(input: Messages, options: ChatOptions, isOwn = false) {
  shown = ''
  const { write } = process.stderr
  process.stderr.write = (text: string | Uint8Array) => {
    shown += String(text)
    return true
  }
  const parts = { client: fleet.client, isOwn, pauses: async () => [], stop: async () => {} }
  try {
    return await new Chat(parts, input, options).run()
  } finally {
    process.stderr.write = write
  }
}

test('on a terminal: a call that waits is decided where it is typed, and by the command that is named', async () => {
  const input = new Typed(['pay the bill'], ['/approve it is due'])
  assert.equal(await talk(input, { session: 'paying' }), 0)
  assert.match(shown, /pay\(\{"amount":5\}\) waits for a person: it needs an approval/)
  assert.match(
    shown,
    /to decide: \/approve or \/deny; or flotilla approvals approve \S+ \S+ \(or: flotilla appr/,
  )
  assert.deepEqual(paid, [5])
  assert.equal(await talk(new Typed(['pay again'], ['/deny']), { session: 'declined' }, true), 0)
  assert.match(shown, /leave it with Ctrl-C, twice; then flotilla start, and flotilla approvals approve/)
  assert.deepEqual(paid, [5])
})

test('on a terminal: /new begins another session, a failed turn ends nothing, Ctrl-C twice leaves', async () => {
  const interrupt = { kind: 'interrupt' } as const
  const lines = [
    '/help',
    'import os',
    interrupt,
    '/nothing',
    '/new',
    'hello',
    interrupt,
    interrupt,
    'never sent',
  ]
  assert.equal(await talk(new Typed(lines), { session: 'first' }), 0)
  assert.match(shown, /TASK_TEXT_FORBIDDEN/)
  assert.match(shown, /There is no \/nothing\. What can be typed/)
  const [, second = ''] = /flotilla chat --session (chat-\S+) continues/.exec(shown) ?? []
  await Promise.all([usersOf('first', 1), usersOf(second, 1)])
})

test('Ctrl-C between two turns, where it is a signal, leaves with how to go on', async () => {
  const main = join(import.meta.dirname, '../../cli/main.ts')
  const child = spawn(process.execPath, [main, 'chat', '--url', url, '--session', 'left'], {
    env: { PATH: process.env['PATH'], LOG_LEVEL: 'error', FLOTILLA_DATA: empty },
  })
  const closed = once(child, 'close')
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    // What it cost, behind the answer.
    if (/tokens/.test(said)) child.kill('SIGINT')
  })
  child.stdin.write('one\n')
  const [code] = (await closed) as [number | null]
  assert.equal(code, 130, said)
  assert.match(said, /flotilla chat --session left continues this session/)
})
