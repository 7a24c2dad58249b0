// The turns of a conversation on a terminal or in a pipe: answers on stdout, everything else on stderr.
import { randomUUID } from 'node:crypto'
import type { ApprovalInput, TaskResult } from '../../client/types.ts'
import { describe, FlotillaError } from '../../runtime/errors.ts'
import type { Read, TakeLine } from './chat-input.ts'
import { decidedByCommand, decidedLater, shellWord, type WaitingCall } from '../output/decision-notice.ts'
import { exitCode, exitCodes } from '../program/exit-codes.ts'
import { runToEnd, type OpenFleet } from '../fleet/here.ts'
import { leave } from '../program/interrupts.ts'
import { LiveView } from '../output/live-view.ts'
import { paint, print, say } from '../output/output.ts'
import { watchPauses } from '../output/pause-notice.ts'
import { renderFacts, renderOutput, renderResult } from '../output/render.ts'
import { toTask, type TaskOptions } from '../program/task-options.ts'
import { detailOf, type ViewOptions } from '../program/view-options.ts'

export type ChatOptions = TaskOptions & ViewOptions & { readonly session?: string; readonly model?: string }

/** Where messages come from. */
export interface Messages {
  /** A person types: there are commands, and a failed turn does not end the conversation. */
  readonly isTerminal: boolean
  /** What has been typed of a line that is not finished. */
  readonly typed: string
  next(): Promise<Read>
  during<T>(take: TakeLine, turn: () => Promise<T>): Promise<T>
}

const HELP = `  /new             begin another session
  /approve [text]  let the call run that waits for a person; the text answers its question
  /deny [reason]   decline it
  /quit            leave; Ctrl-D does the same
  /help            this list
Everything else is a message. Ctrl-C cancels the running turn.`

const newSession = (): string => `chat-${randomUUID()}`

export class Chat {
  readonly #fleet: OpenFleet
  readonly #input: Messages
  readonly #options: ChatOptions
  /** Calls of the running turn that wait for a person, the longest first. */
  readonly #waiting = new Map<string, WaitingCall>()
  /** Those of them whose decision is on its way. */
  readonly #sent = new Set<string>()
  #session: string
  /** True: the task takes Ctrl-C. */
  #isAsking = false
  #messages = 0
  /** Messages of the session that were not refused. */
  #turns = 0

  constructor(fleet: OpenFleet, input: Messages, options: ChatOptions) {
    this.#fleet = fleet
    this.#input = input
    this.#options = options
    this.#session = options.session ?? newSession()
  }

  /** Resolves with the exit code of the command. */
  async run(): Promise<number> {
    if (this.#input.isTerminal) this.#note(`Session ${this.#session}. /help shows what can be typed.`)
    // Between turns, where Ctrl-C is no key: in a pipe, or on a terminal that can't be rewritten.
    const onInterrupt = () => {
      if (!this.#isAsking) leave({ left: () => (this.#turns > 0 ? this.#goesOn() : 'Left before a turn.') })
    }
    process.on('SIGINT', onInterrupt)
    try {
      return await this.#talk()
    } finally {
      process.off('SIGINT', onInterrupt)
      if (this.#turns > 0) this.#note(this.#goesOn())
    }
  }

  #goesOn(): string {
    return `flotilla chat --session ${shellWord(this.#session)} continues this session.`
  }

  async #talk(): Promise<number> {
    for (let interrupts = 0; ;) {
      const read = await this.#input.next()
      if (read.kind === 'end') return this.#ended()
      if (read.kind === 'interrupt') {
        if (interrupts++ > 0) return exitCodes.success.code
        say('Ctrl-C again, or Ctrl-D, leaves.')
        continue
      }
      interrupts = 0
      const text = read.text.trim()
      if (text === '') continue
      const command = this.#commandIn(text)
      if (command?.[0] === 'quit') return exitCodes.success.code
      if (command) this.#obey(...command)
      else {
        const code = await this.#turn(text)
        if (code !== exitCodes.success.code && !this.#input.isTerminal) return this.#stopped(code)
      }
    }
  }

  #ended(): number {
    if (this.#messages > 0 || this.#input.isTerminal) return exitCodes.success.code
    throw new FlotillaError('REQUEST_INVALID', 'stdin has no message; each line of it is one')
  }

  #stopped(code: number): number {
    say('The turn did not succeed: no message behind it is sent.')
    return code
  }

  /** In a pipe every line is a message. */
  #commandIn(text: string): [name: string, rest: string] | null {
    const [, name, rest = ''] = (this.#input.isTerminal && /^\/([a-z]+)(?:\s+(.*))?$/.exec(text)) || []
    return name === undefined ? null : [name, rest]
  }

  #obey(name: string, rest: string): void {
    if (name === 'help') say(HELP)
    else if (name === 'new') {
      this.#session = newSession()
      this.#turns = 0
      this.#note(`Session ${this.#session}.`)
    } else if (name === 'approve' || name === 'deny') this.#decide(name === 'approve', rest)
    else say(`There is no /${name}. What can be typed:\n${HELP}`)
  }

  /** On a terminal, what goes wrong does not end the conversation. */
  async #turn(text: string): Promise<number> {
    this.#messages++
    try {
      const result = await this.#input.during(
        (line) => this.#takesAtOnce(line),
        () => this.#ask(text),
      )
      if (result.status !== 'rejected') this.#turns++
      this.#show(result)
      return exitCode(result.status)
    } catch (error) {
      if (!this.#input.isTerminal) throw error
      say(paint('red', describe(error)))
      return exitCodes.failed.code
    } finally {
      this.#waiting.clear()
      this.#sent.clear()
    }
  }

  async #ask(text: string): Promise<TaskResult> {
    const view = new LiveView({
      detail: detailOf(this.#options),
      decide: (call) => this.#decisionOf(call),
      decided: (callId, isOver) => {
        this.#sent.delete(callId)
        if (isOver) this.#waiting.delete(callId)
      },
      typed: () => this.#input.typed,
    })
    const unwatch = watchPauses(view, () => this.#fleet.pauses())
    const task = { ...toTask(text, this.#options), sessionId: this.#session }
    this.#isAsking = true
    return await runToEnd(this.#fleet.client, task, view, this.#goesOn()).finally(() => {
      this.#isAsking = false
      unwatch()
    })
  }

  #show(result: TaskResult): void {
    if (result.status !== 'succeeded') return say(renderResult(result))
    print(renderOutput(result))
    if (this.#options.quiet !== true) say(renderFacts(result))
  }

  #decisionOf(call: WaitingCall): string {
    this.#waiting.set(call.callId, call)
    const elsewhere = (this.#fleet.isOwn ? decidedLater : decidedByCommand)(call)
    // Whether a call in doubt took effect is more than yes or no.
    return this.#input.isTerminal && call.why !== 'doubt' ? `/approve or /deny; or ${elsewhere}` : elsewhere
  }

  /** Decisions while a turn runs; other lines are for later. */
  #takesAtOnce(line: string): boolean {
    const command = this.#commandIn(line.trim())
    if (command === null || !['approve', 'deny', 'help'].includes(command[0])) return false
    this.#obey(...command)
    return true
  }

  #decide(approved: boolean, text: string): void {
    const call = [...this.#waiting.values()].find(({ callId }) => !this.#sent.has(callId))
    if (call === undefined) return say('No call waits for a person.')
    if (call.why === 'doubt') return say(`A call in doubt: ${this.#decisionOf(call)}`)
    if (call.why === 'question' && approved && text === '') return say('It is a question: /approve ANSWER')
    const { taskId, callId, heldAtMs } = call
    const words = text === '' ? {} : call.why === 'question' && approved ? { answer: text } : { reason: text }
    const { userId } = this.#options
    const about = { taskId, callId, ...(heldAtMs === null ? {} : { heldAtMs }) }
    const who = typeof userId === 'string' ? { decidedBy: userId } : {}
    const decision: ApprovalInput = { ...about, approved, ...words, ...who }
    this.#sent.add(callId)
    // Several may wait: the one that has waited for longest is meant.
    say(
      `${approved ? (call.why === 'question' ? 'answering' : 'approving') : 'declining'} ${call.tool} ${callId}`,
    )
    this.#fleet.client.approve(decision).catch((error: unknown) => {
      this.#sent.delete(callId)
      say(paint('red', describe(error)))
    })
  }

  #note(text: string): void {
    if (this.#options.quiet !== true) say(paint('dim', text))
  }
}
