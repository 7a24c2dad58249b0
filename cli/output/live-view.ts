// Shows a task as it runs, on stderr: each thing that happens once, as a line; on a terminal also what happens
// now, with its time. The steps of the result fill in what was missed.
import type { TaskStep, TaskUpdate } from '../../client/types.ts'
import type { TaskProgressed } from '../../schemas/generated/events.ts'
import type { Json } from '../../schemas/json.ts'
import { decidedByCommand, type WaitingCall } from './decision-notice.ts'
import { paint, say } from './output.ts'
import { block, renderCall, renderCompaction, renderRest, renderStep, seconds, shorten } from './render.ts'
import { plural } from './units.ts'
import { canRewrite, StatusLine, type StatusStream } from './status-line.ts'

export type Detail = 'quiet' | 'normal' | 'verbose'

export interface LiveViewOptions {
  readonly detail?: Detail
  /** Default: stderr if it is a terminal; null: no status line. */
  readonly terminal?: StatusStream | null
  readonly print?: (text: string) => void
  readonly now?: () => number
  /** How a call that waits for a person can be decided. Default: by the command. */
  readonly decide?: (call: WaitingCall) => string
  /** A decision about a call. `isOver`: it waits no more; else others must agree, or this one does not count. */
  readonly decided?: (callId: string, isOver: boolean) => void
  /** What a person has typed meanwhile: the status line begins with it. */
  readonly typed?: () => string
}

export interface Joined {
  readonly step: number | null
  /** Since when it does what it does, epoch milliseconds. */
  readonly sinceMs: number
  readonly completedAtMs: number | null
}

type Fields = { readonly [name: string]: Json | undefined }

interface Shown {
  readonly calls: Set<string>
  isEnded: boolean
}

/** What the person is asked for. */
const WHY: Readonly<Record<string, string>> = {
  approval: 'it needs an approval',
  question: 'it asks a question',
  doubt: 'nobody knows whether it took effect',
}

/** In a pipe, what lasts is said again this often. */
const REMIND_MS = 30_000

export class LiveView {
  readonly #detail: Detail
  readonly #print: (text: string) => void
  readonly #now: () => number
  readonly #decide: (call: WaitingCall) => string
  readonly #decided: (callId: string, isOver: boolean) => void
  readonly #typed: () => string
  readonly #status: StatusLine | null
  readonly #shown = new Map<number, Shown>()
  readonly #tools = new Map<string, { readonly tool: string; readonly sinceMs: number }>()
  #reminder: NodeJS.Timeout | null = null
  #doing = ''
  #sinceMs: number
  #text = ''
  #step = 1
  #hasNews = false
  #paused: readonly string[] = []

  constructor(options: LiveViewOptions = {}) {
    const { detail = 'normal', terminal, print = say, now = Date.now } = options
    this.#detail = detail
    this.#now = now
    this.#decide = options.decide ?? decidedByCommand
    this.#decided = options.decided ?? (() => {})
    this.#typed = options.typed ?? (() => '')
    this.#sinceMs = now()
    const stream = terminal === undefined ? (canRewrite(process.stderr) ? process.stderr : null) : terminal
    this.#status = stream === null || detail === 'quiet' ? null : new StatusLine(stream, () => this.line())
    this.#print = (text) => {
      this.#status?.clear()
      if (detail !== 'quiet') print(text)
    }
    this.#status?.start()
    if (this.#status === null && detail !== 'quiet') this.#remind()
  }

  /** What happens from now on, or has since then, until something else does. */
  now(doing: string, sinceMs = this.#now()): void {
    this.#doing = doing
    this.#sinceMs = sinceMs
    this.#text = ''
    this.#status?.draw()
  }

  /** What a task does that ran before it was followed: shown unless an event has said so already. */
  joins({ step, sinceMs, completedAtMs }: Joined, doing: string): void {
    if (this.#hasNews || completedAtMs !== null) return
    if (step !== null) this.#step = step
    const text = step === null ? doing : `step ${step} · ${doing}`
    this.#print(paint('dim', `  ${text}, for ${seconds(Math.max(0, this.#now() - sinceMs))}`))
    this.now(text, sinceMs)
  }

  /** What an operator has paused: the status line says so, until it is called with none. */
  paused(names: readonly string[]): void {
    this.#paused = names
    this.#status?.draw()
  }

  note(text: string): void {
    this.#print(paint('yellow', `  ${text}`))
  }

  /** Before something else is printed on the terminal. */
  clear(): void {
    this.#status?.clear()
  }

  end(): void {
    this.#status?.stop()
    if (this.#reminder) clearInterval(this.#reminder)
  }

  /** The status line. */
  line(): string {
    const typed = this.#typed()
    const doing = this.#line()
    const line =
      doing === '' || this.#paused.length === 0 ? doing : `${this.#paused.join(', ')} paused · ${doing}`
    return [typed === '' ? '' : `> ${typed}`, line].filter(Boolean).join(' · ')
  }

  #line(): string {
    const nowMs = this.#now()
    const tools = [...this.#tools.values()]
    const oldest = tools[0]
    if (oldest) {
      const more = tools.length > 1 ? ` and ${tools.length - 1} more` : ''
      return `step ${this.#step} · ${oldest.tool}${more} ${clock(nowMs - oldest.sinceMs)}`
    }
    if (this.#doing === '') return ''
    const head = `${this.#doing} ${clock(nowMs - this.#sinceMs)}`
    return this.#text === '' ? head : `${head} · ${this.#text.slice(-60).trimStart()}`
  }

  show(update: TaskUpdate): void {
    this.#hasNews = true
    if (update.kind === 'progress') this.#progress(update.event)
    else if (update.kind === 'text') this.#stream(update.step, update.text)
    else {
      this.#tools.clear()
      this.#doing = ''
      for (const step of update.result.steps) this.#complete(step)
    }
  }

  #stream(step: number, text: string): void {
    if (!this.#doing.endsWith('writing')) this.now(`step ${step} · writing`)
    this.#text += text
    if (this.#detail !== 'verbose') return
    const lines = this.#text.split('\n')
    this.#text = lines.pop() ?? ''
    for (const line of lines) this.#print(paint('dim', `    │ ${line}`))
  }

  #progress({ taskId, kind, step, detail, atMs }: TaskProgressed): void {
    const fields: Fields =
      typeof detail === 'object' && detail !== null && !Array.isArray(detail) ? detail : {}
    if (step !== null) this.#step = step
    const showing: Partial<Record<TaskProgressed['kind'], () => void>> = {
      queued: () => this.#queued(fields),
      admitted: () => this.#admitted(fields),
      model_called: () => this.#modelCalled(this.#step, fields),
      tool_started: () => this.#toolStarted(fields, atMs),
      tool_called: () => this.#toolCalled(this.#step, fields),
      step_completed: () => this.#stepCompleted(this.#step, fields),
      retry_scheduled: () => this.#waits('retrying', fields, atMs),
      waiting: () => this.#waits('waiting', fields, atMs),
      model_changed: () => {
        this.note(`model changed to ${textIn(fields, 'to')}: ${shorten(textIn(fields, 'message'))}`)
        this.now(`step ${this.#step} · thinking`)
      },
      compacted: () => this.note(renderCompaction(fields)),
      approval_requested: () => this.#asksPerson(taskId, fields),
      approval_decided: () => this.#personDecided(fields),
    }
    showing[kind]?.()
  }

  #queued({ waiting }: Fields): void {
    this.note(
      `queued: ${typeof waiting === 'number' ? plural(waiting, 'task waits', 'tasks wait') : 'other tasks wait'} before it`,
    )
    this.now('queued')
  }

  #admitted(fields: Fields): void {
    const model = textIn(fields, 'model')
    if (this.#status === null || this.#detail === 'verbose')
      this.#print(
        paint(
          'dim',
          `step 1 thinking ${this.#detail === 'verbose' ? `${model}: ${textIn(fields, 'modelReason')}` : model}`,
        ),
      )
    this.now('step 1 · thinking')
  }

  #modelCalled(step: number, fields: Fields): void {
    const text = textIn(fields, 'text')
    const calls = Array.isArray(fields['toolCalls']) ? fields['toolCalls'].length : 0
    const code = /```(?:python|py)?\n([^]*?)(?:```|$)/.exec(text)?.[1]
    const kind = calls > 0 ? 'tools' : code === undefined ? 'answer' : 'code'
    this.#shown.set(step, { calls: new Set(), isEnded: false })
    const head = `${paint('cyan', `step ${step}`)} ${kind} ${paint('dim', `${textIn(fields, 'model')} ${seconds(Number(fields['durationMs'] ?? 0))}`)}`
    const body = code !== undefined ? block(code) : kind === 'tools' && text !== '' ? block(text) : ''
    this.#print(body === '' ? head : `${head}\n${body}`)
    if (this.#detail === 'verbose')
      this.#print(
        paint('dim', `    ${String(fields['inputTokens'])} + ${String(fields['outputTokens'])} tokens`),
      )
    this.now(
      kind === 'code'
        ? `step ${step} · running Python`
        : kind === 'tools'
          ? `step ${step} · ${plural(calls, 'tool call')}`
          : '',
    )
  }

  #toolStarted(fields: Fields, sinceMs: number): void {
    const tool = textIn(fields, 'tool')
    this.#tools.set(textIn(fields, 'callId'), { tool, sinceMs })
    if (this.#status === null) this.#print(paint('dim', `    ${tool} is running`))
  }

  #toolCalled(step: number, fields: Fields): void {
    const callId = textIn(fields, 'callId')
    this.#tools.delete(callId)
    // The view may have begun in the middle of the step.
    if (!this.#shown.has(step)) this.#print(`${paint('cyan', `step ${step}`)} tools`)
    const shown = this.#shown.get(step) ?? { calls: new Set(), isEnded: false }
    this.#shown.set(step, shown)
    shown.calls.add(callId)
    this.#print(renderCall(fields))
  }

  #stepCompleted(step: number, { observation, code, kind }: Fields): void {
    const shown = this.#shown.get(step)
    // Calls that no tool was asked for are only in the result.
    if (shown) shown.isEnded = kind !== 'tools'
    if (kind === 'code' && typeof observation === 'string') this.#print(paint('dim', block(observation)))
    else if (typeof code === 'string') this.note(`  ${code}`)
    if (kind !== 'answer') this.now(`step ${step + 1} · thinking`)
  }

  #waits(what: 'retrying' | 'waiting', fields: Fields, atMs: number): void {
    const dueMs = fields['untilMs'] ?? fields['dueMs']
    const time = typeof dueMs === 'number' ? ` in ${seconds(Math.max(0, dueMs - atMs))}` : ''
    const reason = reasonIn(fields)
    const text =
      what === 'retrying'
        ? `retrying${time}: ${reason}`
        : `waiting${time === '' ? '' : `, next try${time}`}: ${reason}`
    this.note(shorten(text))
    this.now(`step ${this.#step} · ${what}`)
  }

  #asksPerson(taskId: string, fields: Fields): void {
    const [callId, tool] = [textIn(fields, 'callId'), textIn(fields, 'tool')]
    const asked = shorten(JSON.stringify(fields['arguments'] ?? null), 80)
    this.note(`${tool}(${asked}) waits for a person: ${WHY[textIn(fields, 'why')] ?? WHY['approval']}`)
    const { heldAtMs = null } = fields as { heldAtMs?: number | null }
    this.note(`  to decide: ${this.#decide({ taskId, callId, tool, why: textIn(fields, 'why'), heldAtMs })}`)
    this.now(`step ${this.#step} · waiting for a person`)
  }

  #personDecided(fields: Fields): void {
    const by = textIn(fields, 'by')
    const problem = textIn(fields, 'problem')
    const { missing } = fields
    const more = typeof missing === 'number' ? `, ${missing} more must agree` : ''
    const why = problem === '' ? more : `: ${shorten(problem)}`
    this.note(`${textIn(fields, 'tool')}: ${textIn(fields, 'outcome')}${by === '' ? '' : ` by ${by}`}${why}`)
    const isOver = fields['final'] === true
    this.#decided(textIn(fields, 'callId'), isOver)
    if (isOver) this.now(`step ${this.#step} · running the call`)
  }

  #complete(step: TaskStep): void {
    const shown = this.#shown.get(step.step)
    if (!shown) this.#print(renderStep(step))
    else if (!shown.isEnded) this.#printRest(step, shown)
    this.#shown.set(step.step, { calls: shown?.calls ?? new Set(), isEnded: true })
  }

  #printRest(step: TaskStep, { calls }: Shown): void {
    const rest = renderRest(step, calls)
    if (rest !== '') this.#print(rest)
  }

  #remind(): void {
    this.#reminder = setInterval(() => {
      const line = this.line()
      if (line !== '') this.#print(paint('dim', line))
    }, REMIND_MS)
    this.#reminder.unref()
  }
}

const clock = (ms: number): string => `${Math.max(0, Math.floor(ms / 1_000))} s`

function textIn(fields: Fields, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value : ''
}

function reasonIn(fields: Fields): string {
  const error = fields['error']
  const message =
    typeof error === 'object' && error !== null && !Array.isArray(error) ? error['message'] : undefined
  return String(fields['reason'] ?? fields['message'] ?? message ?? 'no reason given')
}
